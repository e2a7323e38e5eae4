package collective

// Expendable has package actor log nothing of what other members were still sending when this one's node ended: they find that out by themselves, and what they
// do about it the operation says. Notices are not among it. Programs do not call it.
func (m *Member) Expendable(method string) bool {
	return method == "Collective" || method == "CollectiveLetter"
}
