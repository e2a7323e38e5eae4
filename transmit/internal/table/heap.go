package table

// heap picks a slot whose priority, times sign, is least. Among equals it
// picks any.
type heap struct {
	dense
	table *Table // knows the priorities
	sign  float64
}

func (h *heap) less(a, b uint32) bool {
	return h.sign*h.table.items.at(a).priority < h.sign*h.table.items.at(b).priority
}

func (h *heap) insert(slot uint32) {
	h.push(slot)
	h.up(h.slots.len()-1, slot)
}

func (h *heap) update(slot uint32) {
	h.up(h.place.at(slot), slot)
	h.down(h.place.at(slot), slot)
}

func (h *heap) remove(slot uint32) {
	place, moved := h.place.at(slot), h.slots.at(h.slots.len()-1)
	h.slots.pop()
	if moved == slot {
		return
	}
	h.set(place, moved)
	h.update(moved)
}

func (h *heap) pick(Rand) (uint32, float64) { return h.slots.at(0), 1 }

// up moves a slot from its place towards the root for as long as it is less.
func (h *heap) up(place, slot uint32) {
	for place > 0 {
		parent := (place - 1) / 2
		above := h.slots.at(parent)
		if !h.less(slot, above) {
			break
		}
		h.set(place, above)
		place = parent
	}
	h.set(place, slot)
}

// down moves a slot from its place away from the root for as long as another is less.
func (h *heap) down(place, slot uint32) {
	n := h.slots.len()
	for {
		child := 2*place + 1
		if child >= n {
			break
		}
		if child+1 < n && h.less(h.slots.at(child+1), h.slots.at(child)) {
			child++
		}
		under := h.slots.at(child)
		if !h.less(under, slot) {
			break
		}
		h.set(place, under)
		place = child
	}
	h.set(place, slot)
}
