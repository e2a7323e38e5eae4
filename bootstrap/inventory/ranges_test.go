package inventory

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// expandSlowly is the oracle for ranges: it counts from each first number to each last one as text.
func expandSlowly(before, inside, after string) []string {
	var out []string
	for part := range strings.SplitSeq(inside, ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		for text := first; ; text = increment(text) {
			out = append(out, before+text+after)
			if text == last {
				break
			}
		}
	}
	return out
}

// increment adds one to a decimal number in text, as one does on paper.
func increment(s string) string {
	digits := []byte(s)
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] != '9' {
			digits[i]++
			return string(digits)
		}
		digits[i] = '0'
	}
	return "1" + string(digits)
}

func TestRangesAgainstOracle(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 500 {
		var parts []string
		for range 1 + rng.IntN(3) {
			lo := rng.IntN(300)
			hi := lo + rng.IntN(120)
			switch format := []string{"%d", "%03d", "%05d"}[rng.IntN(3)]; rng.IntN(3) {
			case 0:
				parts = append(parts, fmt.Sprintf(format, lo))
			default:
				parts = append(parts, fmt.Sprintf(format+"-"+format, lo, hi))
			}
		}
		inside := strings.Join(parts, ",")
		p, fault := parsePattern("n[" + inside + "]x")
		require.Nil(t, fault, inside)
		var got []string
		for i := range p.len() {
			got = append(got, p.at(i))
		}
		require.Equal(t, expandSlowly("n", inside, "x"), got, inside)
	}
}

func TestRangeInAddress(t *testing.T) {
	inv := parse(t, "n[1,3-4] me@[2001:db8::[7,9-10]]:22 data=10.0.0.[1-3]\nm[1-2] gate:[2201-2202]")
	var got []string
	for _, h := range inv.Hosts {
		got = append(got, h.String())
	}
	require.Equal(t, []string{
		"n1 me@[2001:db8::7]:22 data=10.0.0.1",
		"n3 me@[2001:db8::9]:22 data=10.0.0.2",
		"n4 me@[2001:db8::10]:22 data=10.0.0.3",
		"m1 gate:2201",
		"m2 gate:2202",
	}, got)
}

// FuzzParse holds that what was read can be written and read again, and that every error carries its line.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a", "a me@b:22 slots=2 x=y", "n[01-32] 10.0.0.[1-32]", "n[1,3-5]", "[gpu]\na\n[cpu]\na", "a [::1]:22 data=[::2]", "a [2001:db8::[1-2]]",
		"a data=x[1-", "n[1-2] u[1-2]@h", "# c\n\n a#b", "n[65535-65536]", "a x[1[2]]@b", "n[0-70000]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := Parse("f", strings.NewReader(text))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.LessOrEqual(t, len(inv.Hosts), MaxHosts)
		var b strings.Builder
		for _, h := range inv.Hosts {
			b.WriteString(h.String() + "\n")
		}
		again, err := Parse("f", strings.NewReader(b.String()))
		require.NoError(t, err, strconv.Quote(b.String()))
		require.Len(t, again.Hosts, len(inv.Hosts))
		for i, h := range again.Hosts {
			h.Groups, h.Line = inv.Hosts[i].Groups, inv.Hosts[i].Line
			require.Equal(t, inv.Hosts[i], h)
		}
	})
}
