package cluster

// Changes is the difference between two lists of members, each part sorted by
// host. The zero value means no difference.
type Changes struct {
	Joined    []Member // hosts only in the new list
	Left      []Member // hosts only in the old list
	Restarted []Change // hosts in both, with another incarnation
	Updated   []Change // the same incarnation with another address or meta
}

// A Change is one host's entry before and after.
type Change struct{ Old, New Member }

// Empty reports whether nothing changed.
func (c Changes) Empty() bool {
	return len(c.Joined) == 0 && len(c.Left) == 0 && len(c.Restarted) == 0 && len(c.Updated) == 0
}

// Diff compares two lists of one run's members. Both must be sorted by host
// without repetitions, as registries give them. The result shares the
// members' Meta with the lists.
func Diff(old, new []Member) Changes {
	var c Changes
	for len(old) > 0 || len(new) > 0 {
		switch {
		case len(new) == 0 || len(old) > 0 && old[0].Host < new[0].Host:
			c.Left = append(c.Left, old[0])
			old = old[1:]
		case len(old) == 0 || new[0].Host < old[0].Host:
			c.Joined = append(c.Joined, new[0])
			new = new[1:]
		default:
			pair := Change{Old: old[0], New: new[0]}
			if pair.Old.Incarnation != pair.New.Incarnation {
				c.Restarted = append(c.Restarted, pair)
			} else if !pair.Old.Equal(pair.New) {
				c.Updated = append(c.Updated, pair)
			}
			old, new = old[1:], new[1:]
		}
	}
	return c
}

// hold returns the fresh list with the known members added that it lacks, and
// whether there were any. A registry that has just come back from an outage
// uses it until every living process has had time to register again.
func hold(known, fresh []Member) (merged []Member, held bool) {
	missing := Diff(known, fresh).Left
	if len(missing) == 0 {
		return fresh, false
	}
	merged = append(append(make([]Member, 0, len(fresh)+len(missing)), fresh...), missing...)
	sortMembers(merged)
	return merged, true
}
