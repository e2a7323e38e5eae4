package table

// dense keeps slots side by side, and knows where each is.
type dense struct {
	slots vec[uint32]
	place vec[uint32] // by slot
}

func (d *dense) push(slot uint32) {
	d.place.grow(slot + 1)
	*d.place.ref(slot) = d.slots.len()
	d.slots.push(slot)
}

// set puts a slot at a place.
func (d *dense) set(place, slot uint32) {
	*d.slots.ref(place) = slot
	*d.place.ref(slot) = place
}

// uniform picks any slot, all alike.
type uniform struct{ dense }

func (u *uniform) insert(slot uint32) { u.push(slot) }

func (u *uniform) update(uint32) {}

func (u *uniform) remove(slot uint32) {
	u.set(u.place.at(slot), u.slots.at(u.slots.len()-1))
	u.slots.pop()
}

func (u *uniform) pick(r Rand) (uint32, float64) {
	n := u.slots.len()
	return u.slots.at(below(r, n)), 1 / float64(n)
}
