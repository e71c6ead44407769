package completion

import (
	"maps"
	"strings"
	"testing"
	"time"

	"godwit/transfer"
	"godwit/transfer/task"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestNormalize(t *testing.T) {
	submit := func(group string) func(*Spec) {
		return func(s *Spec) {
			s.Task = &task.Spec{Kind: task.Submit, Template: &transfer.Spec{CompletionGroup: group}}
		}
	}
	for name, tc := range map[string]struct {
		change func(*Spec)
		code   transfer.Code
		field  string
	}{
		"plain":               {func(*Spec) {}, "", ""},
		"no id":               {func(s *Spec) { s.ID = "" }, transfer.CodeID, "id"},
		"dot in the id":       {func(s *Spec) { s.ID = "a.b" }, transfer.CodeID, "id"},
		"hyphen before":       {func(s *Spec) { s.ID = "-a" }, transfer.CodeID, "id"},
		"longest id":          {func(s *Spec) { s.ID = strings.Repeat("a", 128) }, "", ""},
		"id too long":         {func(s *Spec) { s.ID = strings.Repeat("a", 129) }, transfer.CodeID, "id"},
		"unknown policy":      {func(s *Spec) { s.Policy = "SOME" }, transfer.CodePolicy, "policy"},
		"quorum":              {func(s *Spec) { s.Policy, s.Quorum = Quorum, 1 }, "", ""},
		"greatest quorum":     {func(s *Spec) { s.Policy, s.Quorum = Quorum, MaxMembers }, "", ""},
		"quorum too great":    {func(s *Spec) { s.Policy, s.Quorum = Quorum, MaxMembers+1 }, transfer.CodePolicy, "quorum"},
		"no quorum":           {func(s *Spec) { s.Policy = Quorum }, transfer.CodePolicy, "quorum"},
		"negative quorum":     {func(s *Spec) { s.Policy, s.Quorum = Quorum, -1 }, transfer.CodePolicy, "quorum"},
		"quorum for nothing":  {func(s *Spec) { s.Quorum = 1 }, transfer.CodePolicy, "quorum"},
		"deadline":            {func(s *Spec) { s.Deadline = now.Add(1) }, "", ""},
		"deadline now":        {func(s *Spec) { s.Deadline = now }, transfer.CodeDuration, "deadline"},
		"least auto enable":   {func(s *Spec) { s.AutoEnableAfter = time.Second }, "", ""},
		"most auto enable":    {func(s *Spec) { s.AutoEnableAfter = 720 * time.Hour }, "", ""},
		"too soon":            {func(s *Spec) { s.AutoEnableAfter = time.Second - 1 }, transfer.CodeDuration, "auto_enable_after"},
		"too late":            {func(s *Spec) { s.AutoEnableAfter = 720*time.Hour + 1 }, transfer.CodeDuration, "auto_enable_after"},
		"negative":            {func(s *Spec) { s.AutoEnableAfter = -time.Hour }, transfer.CodeDuration, "auto_enable_after"},
		"label":               {func(s *Spec) { s.Labels = map[string]string{"a b": ""} }, transfer.CodeLabel, "labels"},
		"notification":        {func(s *Spec) { s.Notifications = []transfer.Notification{{}} }, transfer.CodeChannel, "notifications.channel"},
		"submits elsewhere":   {submit("h"), "", ""},
		"submits into itself": {submit("g"), transfer.CodeMembers, "submit"},
		"by a variable":       {submit("{group}"), transfer.CodeMembers, "submit"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := Spec{ID: "g"}
			tc.change(&spec)
			got, err := Normalize(spec, now)
			if tc.code != "" {
				if err == nil || err.Code != tc.code || err.Field != tc.field {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil || got.Policy == "" {
				t.Fatalf("%+v, %v", got, err)
			}
		})
	}
}

func TestNormalizeMakesEqualOnesEqual(t *testing.T) {
	zone := time.FixedZone("", 3600)
	spec := Spec{ID: "g", Deadline: now.Add(time.Hour).In(zone), Labels: map[string]string{"a": "b"}}
	got, err := Normalize(spec, now)
	if err != nil || got.Policy != AllFinished || got.Deadline != now.Add(time.Hour) {
		t.Fatalf("%+v, %v", got, err)
	}
	got.Labels["a"] = "c"
	if !maps.Equal(spec.Labels, map[string]string{"a": "b"}) {
		t.Fatal("the argument was changed")
	}
}

func TestRetrySpec(t *testing.T) {
	ended := func(change func(*State)) State {
		s := State{
			Spec: Spec{ID: "g", Policy: AllFinished, AutoEnableAfter: time.Hour}, Phase: PhaseDone, Sealed: true,
			Members: map[string]transfer.Phase{"a": "", "b": "", "c": ""}, Completed: 1, Failed: 2,
		}
		change(&s)
		return s
	}
	for name, tc := range map[string]struct {
		parent State
		failed []string
		code   transfer.Code
		id     string
		quorum int
	}{
		"plain":             {ended(func(*State) {}), []string{"a", "b"}, "", "g-r1", 0},
		"a retry":           {ended(func(s *State) { s.Spec.ID, s.Spec.Parent = "g-r9", "g-r8" }), []string{"a"}, "", "g-r10", 0},
		"looks like one":    {ended(func(s *State) { s.Spec.ID = "job-r7" }), []string{"a"}, "", "job-r7-r1", 0},
		"marked otherwise":  {ended(func(s *State) { s.Spec.ID, s.Spec.Parent = "g-rx", "g" }), []string{"a"}, "", "g-rx-r1", 0},
		"failed":            {ended(func(s *State) { s.Phase = PhaseFailed }), []string{"a"}, "", "g-r1", 0},
		"quorum missed":     {ended(func(s *State) { s.Spec.Policy, s.Spec.Quorum = Quorum, 2 }), []string{"a", "b"}, "", "g-r1", 1},
		"quorum far away":   {ended(func(s *State) { s.Spec.Policy, s.Spec.Quorum = Quorum, 9 }), []string{"a", "b"}, "", "g-r1", 2},
		"quorum met":        {ended(func(s *State) { s.Spec.Policy, s.Spec.Quorum = Quorum, 1 }), []string{"a"}, "", "g-r1", 1},
		"not ended":         {ended(func(s *State) { s.Phase = PhaseTriggered }), []string{"a"}, transfer.CodeState, "", 0},
		"nothing failed":    {ended(func(*State) {}), nil, transfer.CodeState, "", 0},
		"not of its number": {ended(func(*State) {}), []string{"x"}, transfer.CodeMembers, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := RetrySpec(tc.parent, tc.failed, now)
			if tc.code != "" {
				if err == nil || err.Code != tc.code {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil || spec.ID != tc.id || spec.Quorum != tc.quorum || spec.Parent != tc.parent.Spec.ID || spec.AutoEnableAfter != 0 {
				t.Fatalf("%+v, %v", spec, err)
			}
		})
	}
	passed, _ := RetrySpec(ended(func(s *State) { s.Spec.Deadline = now }), []string{"a"}, now)
	coming, _ := RetrySpec(ended(func(s *State) { s.Spec.Deadline = now.Add(1) }), []string{"a"}, now)
	if !passed.Deadline.IsZero() || coming.Deadline.IsZero() {
		t.Fatalf("deadlines %v and %v", passed.Deadline, coming.Deadline)
	}
}

// Ids that are derived from others are ids, and differ when those do.
func TestDerivedIDs(t *testing.T) {
	seen := map[string]string{}
	for _, n := range []int{1, 80, 110, 119, 120, 121, 122, 123, 124, 127, 128} {
		for _, end := range []string{"a", "b"} {
			group := strings.Repeat("a", n-1) + end
			ids := []string{TaskID(group), NotificationID(group, 0), NotificationID(group, 7)}
			spec := Spec{ID: group}
			for range 30 {
				spec.ID, spec.Parent = RetryID(spec), spec.ID
				ids = append(ids, spec.ID)
			}
			if !strings.HasSuffix(spec.ID, "-r30") {
				t.Errorf("the 30th retry of %s is %s", group, spec.ID)
			}
			for _, id := range ids {
				if err := checkID(id); err != nil {
					t.Errorf("%q: %v", id, err)
				}
				if other := seen[id]; other != "" {
					t.Errorf("%s and %s both have %s", group, other, id)
				}
				seen[id] = group
			}
		}
	}
	long := TaskID(strings.Repeat("a", 128))
	if TaskID(strings.TrimPrefix(long, "task_")) == long {
		t.Error("a group can be named so that it takes the task of another")
	}
}
