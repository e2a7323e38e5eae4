//go:build linux

package hosts

// Cut unplugs the host's cable: packets in both directions are lost without notice, as with a dead switch. Processes go on.
func (h *Host) Cut() {
	h.t.Helper()
	h.must(h.host.Cut())
}

// Heal plugs the cable in again.
func (h *Host) Heal() {
	h.t.Helper()
	h.must(h.host.Heal())
}

// Drop discards, without notice, what this host and peer send each other from now on. All other paths go on.
func (h *Host) Drop(peer *Host) {
	h.t.Helper()
	h.must(h.host.Drop(peer.host))
}

// Undrop ends Drop. It does nothing where none was in force; a Drop that was made the other way round, by peer, stays.
func (h *Host) Undrop(peer *Host) {
	h.t.Helper()
	h.must(h.host.Undrop(peer.host))
}

// DropGateway discards, without notice, what this host and the machine itself, where the test runs, send each other.
func (h *Host) DropGateway() {
	h.t.Helper()
	h.must(h.host.DropGateway())
}

// UndropGateway ends DropGateway.
func (h *Host) UndropGateway() {
	h.t.Helper()
	h.must(h.host.UndropGateway())
}
