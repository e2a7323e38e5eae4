package inventory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, text string) *Inventory {
	t.Helper()
	inv, err := Parse("hosts", strings.NewReader(text))
	require.NoError(t, err)
	return inv
}

func TestParseLines(t *testing.T) {
	for _, c := range []struct {
		line string
		want Host
	}{
		{"a", Host{Name: "a", Address: "a", Slots: 1}},
		{"a 10.0.0.1", Host{Name: "a", Address: "10.0.0.1", Slots: 1}},
		{"  a\t10.0.0.1:2222  # the first", Host{Name: "a", Address: "10.0.0.1", Port: 2222, Slots: 1}},
		{"a me@box.example.com", Host{Name: "a", User: "me", Address: "box.example.com", Slots: 1}},
		{"a me@corp@box:1", Host{Name: "a", User: "me@corp", Address: "box", Port: 1, Slots: 1}},
		{"a [2001:db8::7]", Host{Name: "a", Address: "2001:db8::7", Slots: 1}},
		{"a me@[fe80::1%eth0]:22", Host{Name: "a", User: "me", Address: "fe80::1%eth0", Port: 22, Slots: 1}},
		{"a slots=4 gpus=2 data=10.1.0.1 rack=b#2", Host{Name: "a", Address: "a", Slots: 4, GPUs: 2, Data: "10.1.0.1", Labels: map[string]string{"rack": "b#2"}}},
		{"a data=[2001:db8::7]", Host{Name: "a", Address: "a", Slots: 1, Data: "2001:db8::7"}},
		{"a data=2001:db8::7", Host{Name: "a", Address: "a", Slots: 1, Data: "2001:db8::7"}},
		{"A-1.b_c x=y=z", Host{Name: "A-1.b_c", Address: "A-1.b_c", Slots: 1, Labels: map[string]string{"x": "y=z"}}},
	} {
		t.Run(c.line, func(t *testing.T) {
			c.want.File, c.want.Line = "hosts", 2
			require.Equal(t, []Host{c.want}, parse(t, "# comment\n"+c.line+"\n").Hosts)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"node[1-", "hosts:1"},
		{"node[3-1]", `hosts:1: "node[3-1]": the range 3-1 runs backwards; write 1-3`},
		{"node[01-100]", "same width"},
		{"node[]", "not a range; write [01-32]"},
		{"node[1-2-3]", "not a range"},
		{"node[1][2]", "more than one range"},
		{"node[0-65536]", "more than 65536 hosts"},
		{"node[99999999999]", "not a range"},
		{"node[1-3] 10.0.0.[1-2]", "2 values, but node[1-3] names 3 hosts"},
		{"node[1-3] 10.0.0.1", "1 values, but node[1-3] names 3 hosts"},
		{"node[1-3] data=10.0.0.1", "1 values, but"},
		{"node 10.0.0.[1-1]", "1 values, but node names 1 hosts"},
		{"a b c", `"c": not a key=value`},
		{"a b=", "write b=VALUE"},
		{"a B=1", "the key must be of a-z"},
		{"a b=1 b=2", "given twice"},
		{"a slots=0", "whole number from 1"},
		{"a gpus=-1", "whole number from 0"},
		{"a b:0", "port must be a number from 1"},
		{"a b:x", "port must be a number"},
		{"a b:", "port must be a number"},
		{"a @b", "the user before @"},
		{"a -oProxyCommand=x@b", "the key must be of a-z"},
		{"a -l@b", "the user before @"},
		{"a -b", "not an address"},
		{"a ::1", "in brackets"},
		{"a [::1", "not an IPv6 address in brackets"},
		{"a [::1]22", "not an IPv6 address in brackets"},
		{"a [b:c]", "not an IPv6 address"},
		{"a data=b:1", "without a port"},
		{"a data=[b]", "without a port"},
		{"a/b", "a host's name is of letters"},
		{"[GPU]", "write [label]"},
		{"[gpu", "write [label]"},
		{"[gpu] a", "write [label]"},
		{"[all]\na", "belongs to all already"},
		{"a\na", "named twice, here and at hosts:1"},
		{"[x]\na\na", "named twice"},
		{"[x]\na 1.1.1.1\n[y]\na 1.1.1.2", "defined differently at hosts:2 (a 1.1.1.1)"},
		{"a x=\x00", "cannot be printed"},
		{"a x=\xff", "cannot be printed"},
		{strings.Repeat("a", 600), "longer than 512 bytes"},
		{strings.Repeat("a", maxLine+1), "longer than 65536 bytes"},
		{"n[0-65535]\nm", "more than 65536 hosts"},
	} {
		t.Run(c.text[:min(len(c.text), 30)], func(t *testing.T) {
			_, err := Parse("hosts", strings.NewReader(c.text))
			require.ErrorContains(t, err, c.want)
			var perr *ParseError
			require.ErrorAs(t, err, &perr)
			require.Equal(t, "hosts", perr.File)
			require.Equal(t, 1+strings.Count(c.text, "\n"), perr.Line+strings.Count(c.text, "[all]"))
		})
	}
}

func TestParseReportsAllLines(t *testing.T) {
	_, err := Parse("hosts", strings.NewReader("ok\nbad[\nok2\nworse slots=x gpus=y\n"))
	require.Error(t, err)
	require.Equal(t, `hosts:2: "bad[": a host's name is of letters, digits, '.', '_' and '-', and starts with a letter or digit
hosts:4: "slots=x": write a whole number from 1 to 1048576
hosts:4: "gpus=y": write a whole number from 0 to 1048576`, err.Error())
}

func TestParseEmpty(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# nothing", "[gpu]"} {
		_, err := Parse("hosts", strings.NewReader(text))
		require.ErrorIs(t, err, ErrEmpty)
	}
}

func TestGroups(t *testing.T) {
	inv := parse(t, "head\n[gpu]\nbig[1-2] 10.0.0.[1-2] gpus=8\n[cpu]\nnode1\nbig1\n[odd]\nbig1 10.0.0.1 gpus=8\nhead\n")
	names := func(group string) (out []string) {
		for _, h := range inv.Group(group) {
			out = append(out, h.Name)
		}
		return out
	}
	require.Equal(t, []string{"head", "big1", "big2", "node1"}, names(GroupAll))
	require.Equal(t, []string{"big1", "big2"}, names("gpu"))
	require.Equal(t, []string{"big1", "node1"}, names("cpu"))
	require.Equal(t, []string{"head", "big1"}, names("odd"))
	require.Nil(t, names("none"))

	h, ok := inv.Lookup("big1")
	require.True(t, ok)
	require.Equal(t, []string{"gpu", "cpu", "odd"}, h.Groups)
	require.Equal(t, 3, h.Line)
	_, ok = inv.Lookup("nobody")
	require.False(t, ok)
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	_, err := Read(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("a\r\nb\r\n"), 0o600))
	inv, err := Read(path)
	require.NoError(t, err)
	require.Len(t, inv.Hosts, 2)
}

func TestParseReportsReader(t *testing.T) {
	_, err := Parse("hosts", errReader{})
	require.ErrorIs(t, err, errBroken)
}

var errBroken = errors.New("broken")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

func TestLocal(t *testing.T) {
	require.Equal(t, []Host{{Name: "host1", Address: "127.0.0.1", Slots: 1}, {Name: "host2", Address: "127.0.0.1", Slots: 1}}, Local(2).Hosts)
	require.Len(t, Local(0).Hosts, 1)
	require.Len(t, Local(-3).Hosts, 1)
}

func ExampleParse() {
	inv, err := Parse("hosts.txt", strings.NewReader(`
head        ops@203.0.113.7:2222  data=10.0.0.1
[gpu]
node[08-10] 10.0.0.[108-110]      gpus=4 rack=b
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range inv.Hosts {
		fmt.Println(h, h.Groups)
	}
	// Output:
	// head ops@203.0.113.7:2222 data=10.0.0.1 []
	// node08 10.0.0.108 gpus=4 rack=b [gpu]
	// node09 10.0.0.109 gpus=4 rack=b [gpu]
	// node10 10.0.0.110 gpus=4 rack=b [gpu]
}

func ExampleParseError() {
	_, err := Parse("hosts.txt", strings.NewReader("node[1-3] 10.0.0.[1-2]\nnode4 port=22 2222\n"))
	fmt.Println(err)
	// Output:
	// hosts.txt:1: "10.0.0.[1-2]": 2 values, but node[1-3] names 3 hosts; write a range of the same length in both
	// hosts.txt:2: "2222": not a key=value; a line is: name [user@]address[:port] key=value
}
