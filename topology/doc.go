// Package topology describes who talks to whom in a group: star, tree, chain, ring, net, and shapes of one's own.
//
// A [Member] has a name and a host. A [Kind] says how members are linked; [New] makes a [Shape] of it: members with their
// ranks, links between them, and the tree along which data goes from the root to all, and back.
//
//	shape, err := topology.New(topology.Tree(2), members)
//	for _, child := range shape.Children(rank) { … }
//
// Shapes know hosts: data crosses the link to a host once, and goes to the host's other members from there. In a star, a tree
// and a net one member of each host, its first, stands for the host among the others, and is linked to each member beside it;
// a chain and a ring pass through all members of a host before they leave it.
//
// # Guarantees
//
// Shapes are values: made once, never changed, safe for use by many goroutines. The same kind, members and root give the same
// shape, down to the order of children. There are no clocks, goroutines or sockets in here.
//
// # Limits
//
// A net of n hosts has n (n - 1) / 2 links, and is as large in memory.
package topology
