package tlaunch

import (
	"fmt"
	"slices"
	"strings"
)

// place decides on which host a node goes. load counts the nodes that each
// host has already. It is a pure function, so every process decides alike.
func place(hosts []Host, load map[string]int, at string) (string, error) {
	group, isGroup := strings.CutPrefix(at, "@")
	if !isGroup {
		for _, h := range hosts {
			if h.Name == at {
				return at, nil
			}
		}
		return "", fmt.Errorf("there is no host %q; %s", at, knownPlaces(hosts))
	}
	var best *Host
	for i, h := range hosts {
		if inGroup(h, group) && (best == nil || lighter(h, *best, load)) {
			best = &hosts[i]
		}
	}
	if best == nil {
		return "", noGroup(hosts, group)
	}
	return best.Name, nil
}

// lighter reports whether one more node would fill a less than b, for its slots.
func lighter(a, b Host, load map[string]int) bool {
	return (load[a.Name]+1)*max(b.Slots, 1) < (load[b.Name]+1)*max(a.Slots, 1)
}

func inGroup(h Host, group string) bool { return group == "all" || slices.Contains(h.Groups, group) }

func groupOf(hosts []Host, group string) []Host {
	var found []Host
	for _, h := range hosts {
		if inGroup(h, group) {
			found = append(found, h)
		}
	}
	return found
}

// noGroup says how a group comes about.
func noGroup(hosts []Host, group string) error {
	return fmt.Errorf("no host is in group %q; %s; name hosts of the group below a line [%s] in it", group, knownPlaces(hosts), group)
}

// knownPlaces says what there is, for errors.
func knownPlaces(hosts []Host) string {
	const most = 8
	var names, groups []string
	for _, h := range hosts {
		names = append(names, h.Name)
		for _, g := range h.Groups {
			if !slices.Contains(groups, "@"+g) {
				groups = append(groups, "@"+g)
			}
		}
	}
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("… (%d in all)", len(hosts)))
	}
	return "the inventory has " + strings.Join(append(names, groups...), ", ")
}
