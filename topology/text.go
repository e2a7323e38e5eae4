package topology

import (
	"fmt"
	"slices"
	"strings"
)

const otherLinks = 8 // so many links beside the tree are named in a text

// String draws the shape as a text: a line that says what it is, then the tree with a line for each member, then the links beside it.
func (s *Shape) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v of %s on %s\n", s.kind, count(s.Len(), "member"), count(len(s.hosts()), "host"))
	s.branch(&b, s.root, "", "")
	if beside := s.beside(); len(beside) > 0 {
		fmt.Fprintf(&b, "and %s beside the tree:", count(len(beside), "link"))
		for i, e := range beside {
			if i == otherLinks {
				b.WriteString(" …")
				break
			}
			fmt.Fprintf(&b, " %s–%s", s.members[e.From].Name, s.members[e.To].Name)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (s *Shape) branch(b *strings.Builder, rank int, first, rest string) {
	m := s.members[rank]
	b.WriteString(first + m.Name)
	if m.Host != "" {
		b.WriteString(" @" + m.Host)
	}
	b.WriteByte('\n')
	for i, child := range s.children[rank] {
		if i == len(s.children[rank])-1 {
			s.branch(b, child, rest+"└─ ", rest+"   ")
		} else {
			s.branch(b, child, rest+"├─ ", rest+"│  ")
		}
	}
}

// inTree tells whether data goes along an edge on its way from the root to all.
func (s *Shape) inTree(e Edge) bool { return s.parent[e.To] == e.From }

// drawn are the links without those that say a second time that two members are linked, as in a shape of one's own both directions may be: the tree's, and others.
func (s *Shape) drawn() (found []Edge) {
	seen := map[Edge]bool{}
	for _, e := range s.edges {
		pair := Edge{min(e.From, e.To), max(e.From, e.To)}
		if seen[pair] || !s.inTree(e) && s.inTree(Edge{e.To, e.From}) {
			continue
		}
		seen[pair] = true
		found = append(found, e)
	}
	return found
}

// beside is the links that are not in the tree.
func (s *Shape) beside() []Edge { return slices.DeleteFunc(s.drawn(), s.inTree) }

// A group is the members of a host, in the order of the tour.
type group struct {
	name  string
	ranks []int
}

// hosts are the groups, in the order of the tour. Members that say no host have one each, without a name.
func (s *Shape) hosts() (all []group) {
	for _, rank := range s.tour {
		host := s.members[rank].Host
		if n := len(all); n == 0 || host == "" || all[n-1].name != host {
			all = append(all, group{name: host})
		}
		last := &all[len(all)-1]
		last.ranks = append(last.ranks, rank)
	}
	return all
}

// DOT is the shape in the language of Graphviz: hosts are boxes around their members, links of the tree are arrows, others lines.
func (s *Shape) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  node [shape=box, style=rounded];\n", quote(s.kind.String()))
	for i, g := range s.hosts() {
		inset := "  "
		if g.name != "" {
			fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%s;\n", i, quote(g.name))
			inset = "    "
		}
		for _, rank := range g.ranks {
			fmt.Fprintf(&b, "%s%s;\n", inset, quote(s.members[rank].Name))
		}
		if g.name != "" {
			b.WriteString("  }\n")
		}
	}
	for _, e := range s.drawn() {
		attributes := ""
		if !s.inTree(e) {
			attributes = " [dir=none, constraint=false]"
		}
		fmt.Fprintf(&b, "  %s -> %s%s;\n", quote(s.members[e.From].Name), quote(s.members[e.To].Name), attributes)
	}
	b.WriteString("}\n")
	return b.String()
}

// quote writes a text as an id of DOT, in which a backslash before another character is an escape of labels.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
