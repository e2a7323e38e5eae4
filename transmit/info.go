package transmit

import (
	"context"
	"time"

	"github.com/tartrl/tlaunch-go/actor"
)

// A NodeInfo says what a node has.
type NodeInfo struct {
	Tables     []TableInfo // in the order of the configuration
	Steps      int         // that are stored, each once
	Bytes      int64       // of them
	Sessions   int         // writers and samplers that the node knows
	Checkpoint CheckpointInfo
}

// A TableInfo says what a table has, and who waits for it. Counts are since
// the table was made or reset, over all processes that restored it.
type TableInfo struct {
	Name             string
	Items            int
	Bytes            int64  // of steps that its items have, each counted once
	Inserts, Samples uint64 // that were done
	Deletes          uint64 // items that went, in whatever way
	WaitingInserts   int    // writers that wait for the limiter
	WaitingSamples   int    // samplers that do
}

// A CheckpointInfo says how saving has gone.
type CheckpointInfo struct {
	Number   uint64        // of the last good one; 0: none
	Time     time.Time     // when it began
	Bytes    int64         // of its file
	Took     time.Duration // until it was on disk
	Held     time.Duration // how long everything else waited for it
	Failures int           // since the node was started
	Failure  string        // what was wrong with the last, when it failed
}

// Info says what the node has.
func (n *Node) Info(context.Context) (NodeInfo, error) {
	s := n.state
	saved := s.saver.info()
	s.mu.Lock()
	defer s.mu.Unlock()
	info := NodeInfo{Steps: s.store.Len(), Bytes: s.store.Bytes(), Sessions: len(s.sessions), Checkpoint: saved}
	for _, sh := range s.order {
		c := sh.Counts()
		info.Tables = append(info.Tables, TableInfo{
			sh.name, sh.Len(), sh.Bytes(), c.Inserts, c.Samples, c.Deletes, len(sh.inserters), len(sh.samplers),
		})
	}
	return info, nil
}

// Info says what a node has.
func Info(ctx context.Context, node Ref) (NodeInfo, error) {
	return actor.Call0(ctx, node, (*Node).Info)
}
