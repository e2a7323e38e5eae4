package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/bootstrap"
)

func TestTable(t *testing.T) {
	mark := bootstrap.NewMark("star-1", "node1", 1)
	process := bootstrap.Leftover{Mark: mark, PID: 4711, Command: "sleep 1000", User: "ada", Age: 3 * time.Hour}
	folder := bootstrap.Leftover{Mark: mark, Path: "/home/ada/.cache/tlaunch/runs/tlaunch-1", User: "ada", Age: 50 * time.Hour}
	lost := bootstrap.Leftover{Path: "/tmp/tlaunch-2", User: "ada", Age: time.Second}
	foreign := bootstrap.Leftover{Mark: mark, PID: 7, Command: "rm -rf\t\x1b[2J", User: "bob", Age: 119 * time.Second, Foreign: true}
	with := func(l bootstrap.Leftover, ended bool, problem string) bootstrap.Leftover {
		l.Ended, l.Problem = ended, problem
		return l
	}
	on := func(host string, found ...bootstrap.Leftover) result {
		return result{host: host, Leftovers: bootstrap.Leftovers{Found: found}}
	}
	goesOn := on("node2")
	goesOn.Running = []bootstrap.Mark{mark, bootstrap.NewMark("star-1", "node2", 1)}
	away := on("node3")
	away.err = errors.New("host node3: connect: no route")

	for name, c := range map[string]struct {
		results []result
		killed  bool
		status  int
		want    string
	}{
		"nothing": {[]result{on("node1"), goesOn}, false, 0, `
2 hosts: nothing is left, 1 run goes on
`},
		"found": {[]result{on("node1", process, folder, lost), goesOn}, false, 1, `
HOST   MARK            PID   USER  AGE  STATE  WHAT
node1  star-1/node1/1  4711  ada   3h   left   sleep 1000
node1  star-1/node1/1  -     ada   2d   left   /home/ada/.cache/tlaunch/runs/tlaunch-1
node1  -               -     ada   1s   left   /tmp/tlaunch-2
2 hosts: 1 process and 2 folders left (-kill ends them), 1 run goes on
`},
		"ended": {[]result{on("node1", with(process, true, ""), with(folder, true, ""))}, true, 0, `
HOST   MARK            PID   USER  AGE  STATE  WHAT
node1  star-1/node1/1  4711  ada   3h   ended  sleep 1000
node1  star-1/node1/1  -     ada   2d   ended  /home/ada/.cache/tlaunch/runs/tlaunch-1
1 host: nothing is left, 2 ended
`},
		"resists": {[]result{on("node1", with(process, false, "it waits for a disk"))}, true, 1, `
HOST   MARK            PID   USER  AGE  STATE                      WHAT
node1  star-1/node1/1  4711  ada   3h   left: it waits for a disk  sleep 1000
1 host: 1 process and 0 folders left, 0 ended
`},
		"another user's": {[]result{on("node1", foreign)}, true, 0, `
HOST   MARK            PID  USER  AGE   STATE           WHAT
node1  star-1/node1/1  7    bob   119s  another user's  rm -rf \x1b[2J
1 host: nothing of yours is left, 0 ended, 1 of other users
`},
		"some not reached": {[]result{on("node1"), goesOn, away}, false, 3, `
3 hosts: nothing is left on the 2 that answered, 1 run goes on, 1 host not reached
`},
		"none reached": {[]result{away}, true, 3, `
1 host: 0 ended, 1 host not reached
`},
		"not reached": {[]result{on("node1", process), away}, false, 3, `
HOST   MARK            PID   USER  AGE  STATE  WHAT
node1  star-1/node1/1  4711  ada   3h   left   sleep 1000
2 hosts: 1 process and 0 folders left (-kill ends them), 1 host not reached
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, writeTable(&out, c.results, c.killed))
			require.Equal(t, strings.TrimPrefix(c.want, "\n"), out.String())
			require.Equal(t, c.status, statusOf(c.results))
		})
	}
}

func TestAge(t *testing.T) {
	for want, d := range map[string]time.Duration{"0s": 0, "119s": 119 * time.Second, "2m": 120 * time.Second, "119m": 119 * time.Minute, "2h": 2 * time.Hour, "47h": 47 * time.Hour, "2d": 48 * time.Hour} {
		require.Equal(t, want, age(d))
	}
}
