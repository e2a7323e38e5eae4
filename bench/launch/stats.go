package launch

// target is what our time may be at most, as a part of a peer's; ok is false where nothing was promised.
func target(mode, peer string, sameKeyExchange bool) (most float64, ok bool) {
	switch {
	case mode == warm && peer == pdsh && sameKeyExchange:
		return 1.3, true
	case mode == warm && peer == pdsh:
		return 0.35, true
	case mode == cold && peer == clush:
		return 0.7, true
	}
	return 0, false
}

// copiesTarget is how many copies of the executable may leave the launcher, however many hosts there are.
const copiesTarget = 8

// What a launcher may take at 64 hosts.
const (
	memoryTarget = 100e6 // bytes
	memoryHosts  = 64
)
