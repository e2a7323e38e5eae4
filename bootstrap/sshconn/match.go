package sshconn

import (
	"slices"
	"strings"
)

// repeated are the keywords whose values add up; of all others the first one counts.
var repeated = []string{"identityfile", "certificatefile"}

// evaluation collects what the configuration says of one host.
type evaluation struct {
	alias     string // what Host patterns are matched with
	original  string // the name as given
	user      string // of the target; empty: the configuration decides
	local     local
	final     bool // second pass
	wantFinal bool // a "Match final" was met
	first     map[string]directive
	all       map[string][]directive
}

// evaluate reads what the files say of a host. A "Match final" asks for a second pass in which Host patterns see the resolved name, as in OpenSSH.
func evaluate(files [][]block, name, user string, l local) (*evaluation, error) {
	e := &evaluation{alias: name, original: name, user: user, local: l, first: map[string]directive{}, all: map[string][]directive{}}
	for {
		for _, blocks := range files {
			if err := e.run(blocks, true); err != nil {
				return nil, err
			}
		}
		if e.final || !e.wantFinal {
			return e, nil
		}
		e.final, e.alias = true, e.hostName()
	}
}

// hostName is the name to connect to as far as it is known.
func (e *evaluation) hostName() string {
	d, ok := e.first["hostname"]
	if !ok {
		return e.alias
	}
	return strings.NewReplacer("%%", "%", "%h", e.original).Replace(d.value)
}

// run reads one file; active says whether the line that included it applies.
func (e *evaluation) run(blocks []block, active bool) error {
	for _, b := range blocks {
		applies := active
		if b.match == nil {
			applies = applies && matchList(b.patterns, e.alias)
		} else if applies {
			var err error
			if applies, err = e.matches(*b.match); err != nil {
				return err
			}
		}
		if !applies {
			continue
		}
		for _, d := range b.lines {
			if d.key == keyInclude {
				for _, file := range d.included {
					if err := e.run(file, true); err != nil {
						return err
					}
				}
				continue
			}
			if _, ok := e.first[d.key]; !ok {
				e.first[d.key] = d
			}
			if slices.Contains(repeated, d.key) && !slices.ContainsFunc(e.all[d.key], func(o directive) bool { return o.value == d.value }) {
				e.all[d.key] = append(e.all[d.key], d)
			}
		}
	}
	return nil
}

// matches evaluates the criteria of a Match line. One that is not understood is an error only when the others hold, for else the line cannot apply.
func (e *evaluation) matches(d directive) (bool, error) {
	result, unknown := true, ""
	ws := words(d.value)
	if len(ws) == 0 {
		return false, d.fault("Match needs a criterion")
	}
	for len(ws) > 0 {
		name, arg, joined := strings.Cut(ws[0], "=")
		ws = ws[1:]
		name, negated := strings.CutPrefix(strings.ToLower(name), "!")
		var holds bool
		switch name {
		case "all":
			holds = true
		case "canonical": // names are never made canonical here
		case "final":
			e.wantFinal = true
			holds = e.final
		default:
			if !joined {
				if len(ws) == 0 {
					return false, d.fault("the criterion " + name + " needs a value")
				}
				arg, ws = ws[0], ws[1:]
			}
			patterns := strings.Split(arg, ",")
			switch name {
			case "host":
				holds = matchList(patterns, e.hostName())
			case "originalhost":
				holds = matchList(patterns, e.original)
			case "user":
				holds = matchList(patterns, e.remoteUser())
			case "localuser":
				holds = matchList(patterns, e.local.user)
			default:
				unknown = name
				continue
			}
		}
		if holds == negated {
			result = false
		}
	}
	if result && unknown != "" {
		return false, d.fault("the criterion " + unknown + " of Match is not supported here; use Host, or give a configuration file without it")
	}
	return result, nil
}

// remoteUser is who logs in as far as it is known.
func (e *evaluation) remoteUser() string {
	if e.user != "" {
		return e.user
	}
	if d, ok := e.first["user"]; ok {
		return d.value
	}
	return e.local.user
}

// matchList reports whether one of the patterns matches s and none that begins with '!' does.
func matchList(patterns []string, s string) bool {
	found := false
	s = strings.ToLower(s)
	for _, p := range patterns {
		p, negated := strings.CutPrefix(strings.Trim(p, `"`), "!")
		if !wildcard(strings.ToLower(p), s) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// wildcard matches s with a pattern of '*' (any text) and '?' (any one byte). It takes time in proportion to the product of both lengths.
func wildcard(pattern, s string) bool {
	star, mark, p, i := -1, 0, 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
