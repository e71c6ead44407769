package group

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"godwit/transfer"
)

func TestNormalize(t *testing.T) {
	for name, tc := range map[string]struct {
		spec  Spec
		limit int
		code  transfer.Code
		field string
	}{
		"plain":                   {Spec{}, 0, "", ""},
		"dots in the name":        {Spec{Name: "a.b"}, 0, "", ""},
		"hyphen before":           {Spec{Name: "-a"}, 0, transfer.CodeID, "name"},
		"name too long":           {Spec{Name: strings.Repeat("a", 129)}, 0, transfer.CodeID, "name"},
		"parallel":                {Spec{Behavior: Parallel, Limit: 7}, 7, "", ""},
		"greatest limit":          {Spec{Limit: 10_000}, 10_000, "", ""},
		"limit too great":         {Spec{Limit: 10_001}, 0, transfer.CodeLimit, "limit"},
		"negative limit":          {Spec{Limit: -1}, 0, transfer.CodeLimit, "limit"},
		"serialized":              {Spec{Behavior: Serialized}, 1, "", ""},
		"serialized with limit 1": {Spec{Behavior: Serialized, Limit: 1}, 1, "", ""},
		"serialized with limit 2": {Spec{Behavior: Serialized, Limit: 2}, 0, transfer.CodeLimit, "limit"},
		"unknown behavior":        {Spec{Behavior: "SOME"}, 0, transfer.CodeEnum, "behavior"},
		"label":                   {Spec{Labels: map[string]string{"": ""}}, 0, transfer.CodeLabel, "labels"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.spec.Name == "" {
				tc.spec.Name = "q"
			}
			got, err := Normalize(tc.spec)
			if tc.code != "" {
				if err == nil || err.Code != tc.code || err.Field != tc.field {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil || got.Limit != tc.limit || got.Behavior == "" {
				t.Fatalf("%+v, %v", got, err)
			}
		})
	}
}

func TestARefusedChangeChangesNothing(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := NewMembers()
	m.Put(Member{ID: "a", Created: now})
	before := New(Spec{Name: "q", Behavior: Parallel}, now)
	limit, paused := 3, true
	got, err := ApplyChange(before, m, Change{Limit: &limit, Paused: &paused, Move: &Move{ID: "x", Where: First}}, now.Add(1))
	if err == nil || got.Spec.Limit != 0 || got.Paused || !got.Updated.Equal(now) {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err = ApplyChange(before, m, Change{Limit: &limit, Paused: &paused, Move: &Move{ID: "a", Where: First}}, now.Add(1))
	if err != nil || got.Spec.Limit != 3 || !got.Paused || !got.Updated.After(now) {
		t.Fatalf("%+v, %v", got, err)
	}
}

// Any member of the greatest group can be made the current one, and its places
// are not more than a record holds.
func TestPlacesAreBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := NewMembers()
	const n = 2 * maxPlaces
	for i := range n {
		m.Put(Member{ID: fmt.Sprintf("m%06d", i), Created: now.Add(time.Duration(i))})
	}
	s := New(Spec{Name: "q"}, now)
	for _, i := range []int{1, n / 2, n - 1} {
		moved, err := ApplyMove(s, m, Move{ID: fmt.Sprintf("m%06d", i), Where: PlayFromHere}, now)
		if err != nil || len(moved.Places) > maxPlaces {
			t.Fatalf("member %d: %d places, %v", i, len(moved.Places), err)
		}
		m.sorted = false
	}
	moved, err := ApplyMove(s, m, Move{ID: fmt.Sprintf("m%06d", n/2), Where: PlayFromHere}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = ApplyMove(moved, m, Move{ID: fmt.Sprintf("m%06d", n/2+1), Where: First}, now); err == nil || err.Code != transfer.CodeMembers {
		t.Fatalf("more places than a record holds: %v", err)
	}
	if _, err = ApplyMove(moved, m, Move{ID: fmt.Sprintf("m%06d", n/4), Where: Last}, now); err != nil {
		t.Fatalf("one that has a place cannot be moved: %v", err)
	}
}

func TestMembers(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := NewMembers()
	m.Put(Member{ID: "a", Created: now, Standing: Waiting})
	m.Put(Member{ID: "b", Created: now, Standing: Delayed, NotBefore: now.Add(2)})
	m.Put(Member{ID: "c", Created: now, Standing: Delayed, NotBefore: now.Add(1)})
	m.Put(Member{ID: "d", Created: now, Standing: Delayed, NotBefore: now})
	if at := m.NextDelay(now); !at.Equal(now.Add(1)) {
		t.Errorf("next delay %v", at)
	}
	if at := m.NextDelay(now.Add(2)); !at.IsZero() {
		t.Errorf("next delay %v", at)
	}
	if c := m.Count(); m.Len() != 4 || c[Waiting] != 1 || c[Delayed] != 3 {
		t.Errorf("%d members, %v", m.Len(), c)
	}
	state := New(Spec{}, now)
	if order := m.Order(state, 2); len(order) != 2 || order[0] != "a" {
		t.Errorf("%v", order)
	}
	m.Put(Member{ID: "b", Created: now, Priority: transfer.PriorityHigh, Standing: Running})
	if order := m.Order(state, 9); len(order) != 4 || order[0] != "b" {
		t.Errorf("%v", order)
	}
	m.Remove("b")
	m.Remove("b")
	if _, known := m.Get("b"); known || m.Len() != 3 || len(m.Order(state, 9)) != 3 {
		t.Error("it was not forgotten")
	}
}
