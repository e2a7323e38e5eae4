package transmit

import "fmt"

// RLTables are the tables that TLaunch gives a learner and n actors, n at least
// 1: "sync_signal" and "id", from which any item is sampled once and into which
// inserts wait while there are n; and for each actor i "weight_i" and
// "replay_buffer_i", through which values pass one at a time.
func RLTables(n int) []Table {
	var tables []Table
	for _, name := range []string{"sync_signal", "id"} {
		t := Queue(name, n)
		t.Sampler = Uniform()
		tables = append(tables, t)
	}
	for i := range n {
		tables = append(tables, Queue(fmt.Sprintf("weight_%d", i), 1), Queue(fmt.Sprintf("replay_buffer_%d", i), 1))
	}
	return tables
}
