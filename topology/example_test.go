package topology_test

import (
	"fmt"

	"github.com/tartrl/tlaunch-go/topology"
)

func Example() {
	var members []topology.Member
	for i, host := range []string{"host1", "host2", "host2", "host3", "host4"} {
		members = append(members, topology.Member{Name: fmt.Sprint("worker/", i), Host: host})
	}
	shape, err := topology.New(topology.Tree(2), members)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(shape)
	fmt.Println("below host2's first:", shape.Children(1), "and linked to it:", shape.Peers(1))
	// Output:
	// tree(2) of 5 members on 4 hosts
	// worker/0 @host1
	// ├─ worker/1 @host2
	// │  ├─ worker/4 @host4
	// │  └─ worker/2 @host2
	// └─ worker/3 @host3
	// below host2's first: [4 2] and linked to it: [0 2 4]
}
