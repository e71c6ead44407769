package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	pb "godwit/protos/godwit/v1"
)

func TestMovesTellsWhatMovedBetweenOldNodes(t *testing.T) {
	t.Parallel()
	at := func(owners ...string) map[string]*pb.Transfer {
		found := map[string]*pb.Transfer{}
		for i, owner := range owners {
			node, epoch, _ := strings.Cut(owner, "@")
			found[fmt.Sprint("t", i)] = &pb.Transfer{Owner: &pb.Owner{Node: node, Epoch: int64(epoch[0])}}
		}
		return found
	}
	to := &Node{Name: "n4"}
	count, elsewhere := (&Cluster{}).moves(at("n1@1", "n1@1", "n2@1", "n3@2"), at("n1@1", "n4@2", "n4@2", "n1@3"), to)
	if count != 2 || !slices.Equal(elsewhere, []string{"t3 moved from n3 to n1"}) {
		t.Errorf("%d %v", count, elsewhere)
	}
}
