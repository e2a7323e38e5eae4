package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tartrl/tlaunch-go/actor"
)

var (
	nodeMessages = counter("node_messages_total", "Messages that have left a node's mailbox.", "node")
	nodeBytes    = counter("node_bytes_total", "Bytes of their arguments.", "node")
	nodeQueued   = gauge("node_queued_messages", "Messages in a node's mailbox.", "node")
	nodeHeld     = gauge("node_queued_bytes", "Bytes of arguments in a node's mailbox.", "node")
	nodeWaiting  = gauge("node_waiting_senders", "Senders of this process that wait for room in a node's mailbox.", "node")
	nodeWaits    = counter("node_waits_total", "Senders of this process that had to wait for room in a node's mailbox.", "node")
	nodeWaited   = counter("node_wait_seconds_total", "Time that they have waited.", "node")
	nodeFailures = counter("node_failures_total", "Messages to a node that ended with an error.", "node", "reason")

	creditMessages = counter("credit_messages_total", "Messages sent to a node of another process.", "node")
	creditBytes    = counter("credit_bytes_total", "Bytes of their arguments.", "node")
	creditOut      = gauge("credit_out_messages", "Messages under way to a node of another process.", "node")
	creditOutBytes = gauge("credit_out_bytes", "Bytes of their arguments.", "node")
	creditWaiting  = gauge("credit_waiting_messages", "Messages that wait for credit of a node of another process.", "node")
	creditWaits    = counter("credit_waits_total", "Messages that had to wait for credit of a node of another process.", "node")
	creditWaited   = counter("credit_wait_seconds_total", "Time that they have waited.", "node")

	failedTells = counter("failed_tells_total", "Tells whose method failed, or that could not be handled.")
	deadLetters = counter("dead_letters_total", "Messages for nodes that the process does not have.")
	deadlocks   = counter("deadlocks_total", "Calls that were ended because they waited for themselves.")
	badTraces   = counter("bad_traces_total", "Trace contexts from other processes that made no sense; their messages went on without.")
	pending     = gauge("pending_calls", "Calls to other processes under way.")
)

func collectNodes(ch chan<- prometheus.Metric, s actor.Stats, n names) {
	sums := sums{}
	for _, node := range s.Nodes {
		name := n.of(node.Key)
		sums.add(nodeMessages, float64(node.Messages), name)
		sums.add(nodeBytes, float64(node.Bytes), name)
		sums.add(nodeQueued, float64(node.Queued), name)
		sums.add(nodeHeld, float64(node.QueuedBytes), name)
		sums.add(nodeWaiting, float64(node.Waiting), name)
		sums.add(nodeWaits, float64(node.Waits), name)
		sums.add(nodeWaited, node.Waited.Seconds(), name)
		for reason, count := range node.Failures {
			sums.add(nodeFailures, float64(count), name, reason)
		}
	}
	for _, way := range s.Ways {
		name := n.of(way.Node)
		sums.add(creditMessages, float64(way.Messages), name)
		sums.add(creditBytes, float64(way.Bytes), name)
		sums.add(creditOut, float64(way.Out), name)
		sums.add(creditOutBytes, float64(way.OutBytes), name)
		sums.add(creditWaiting, float64(way.Waiting), name)
		sums.add(creditWaits, float64(way.Waits), name)
		sums.add(creditWaited, way.Waited.Seconds(), name)
	}
	sums.add(failedTells, float64(s.FailedTells))
	sums.add(deadLetters, float64(s.DeadLetters))
	sums.add(deadlocks, float64(s.Deadlocks))
	sums.add(badTraces, float64(s.BadTraces))
	sums.add(pending, float64(s.Pending))
	sums.send(ch)
}
