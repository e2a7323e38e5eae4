package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tartrl/tlaunch-go/remote"
)

var (
	linksUp          = gauge("links", "Living links with a peer.", "peer")
	sentMessages     = counter("link_sent_messages_total", "Messages written to a peer.", "peer")
	sentBytes        = counter("link_sent_bytes_total", "Bytes written to a peer.", "peer")
	receivedMessages = counter("link_received_messages_total", "Messages that came from a peer.", "peer")
	receivedBytes    = counter("link_received_bytes_total", "Bytes that came from a peer.", "peer")
	resentMessages   = counter("link_resent_messages_total", "Messages written to a peer for a second time, after a link broke.", "peer")
	queuedMessages   = gauge("link_queued_messages", "Messages to a peer that it has not acknowledged yet; to a stock peer, those not yet written.", "peer")
	queuedBytes      = gauge("link_queued_bytes", "Their bytes.", "peer")
	linkWaits        = counter("link_waits_total", "Messages to a peer that found the queue full.", "peer")
	linkWaited       = counter("link_wait_seconds_total", "Time that they have waited for room.", "peer")
	roundTrip        = gauge("link_round_trip_seconds", "From a sign of life to its answer, the last one heard.", "peer")
	streams          = gauge("link_streams", "Streams of bytes with a peer.", "peer")
	openedStreams    = counter("link_opened_streams_total", "Streams of bytes with a peer that were opened, by either end.", "peer")
	drops            = counter("link_drops_total", "Messages from or to a peer that went nowhere.", "peer", "reason")

	refused     = counter("refused_total", "Connections and peers that were turned away.", "reason")
	connections = gauge("connections", "Connections that were accepted and live.")
	handshakes  = gauge("handshakes", "Handshakes of incoming connections under way.")
)

func collectLinks(ch chan<- prometheus.Metric, s remote.Stats, n names) {
	sums := sums{}
	for _, p := range s.Peers {
		name := p.Name
		if name == "" {
			name = p.Address
		}
		addPeer(sums, p, n.of(name))
	}
	if f := s.Forgotten; f.SentMessages > 0 || f.ReceivedMessages > 0 || len(f.Drops) > 0 {
		addPeer(sums, f, other)
	}
	for reason, count := range s.Refused {
		sums.add(refused, float64(count), string(reason))
	}
	sums.add(connections, float64(s.Connections))
	sums.add(handshakes, float64(s.Handshakes))
	sums.send(ch)
}

func addPeer(sums sums, p remote.PeerStats, name string) {
	sums.add(linksUp, float64(p.Links), name)
	sums.add(sentMessages, float64(p.SentMessages), name)
	sums.add(sentBytes, float64(p.SentBytes), name)
	sums.add(receivedMessages, float64(p.ReceivedMessages), name)
	sums.add(receivedBytes, float64(p.ReceivedBytes), name)
	sums.add(resentMessages, float64(p.ResentMessages), name)
	sums.add(queuedMessages, float64(p.QueuedMessages), name)
	sums.add(queuedBytes, float64(p.QueuedBytes), name)
	sums.add(linkWaits, float64(p.Waits), name)
	sums.add(linkWaited, p.Waited.Seconds(), name)
	sums.add(streams, float64(p.Streams), name)
	sums.add(openedStreams, float64(p.OpenedStreams), name)
	for reason, count := range p.Drops {
		sums.add(drops, float64(count), name, string(reason))
	}
	if p.Links > 0 && p.RoundTrip > 0 && name != other { // a sum of them would say nothing; of one name, one lives
		sums.set(roundTrip, p.RoundTrip.Seconds(), name)
	}
}
