package resume

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// What can be decoded is encoded to the same bytes again.
func FuzzDecode(f *testing.F) {
	f.Add(header{kind: kindData, size: 1, ack: 1 << 40}.appendTo(nil))
	f.Add(header{kind: kindData, size: maxPayload}.appendTo(nil))
	f.Add(header{kind: kindEnd, ack: 7}.appendTo(nil))
	f.Add(hello{token: Token{1, 2}, epoch: 3, received: 4}.appendTo(nil))
	f.Add(welcome{received: 5, start: 6}.appendTo(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if h, err := parseHeader(raw); err == nil {
			require.LessOrEqual(t, h.size, maxPayload)
			require.Equal(t, raw, h.appendTo(nil))
		}
		if h, err := parseHello(raw); err == nil {
			require.Equal(t, raw, h.appendTo(nil))
		}
		if w, err := parseWelcome(raw); err == nil {
			require.Equal(t, raw, w.appendTo(nil))
		}
	})
}

// Whatever the peer says, an end keeps to its limits and ends.
func FuzzCarrier(f *testing.F) {
	f.Add(append(header{kind: kindData, size: 3}.appendTo(nil), "abc"...))
	f.Add(append(header{kind: kindEnd}.appendTo(nil), header{kind: kindAck}.appendTo(nil)...))
	f.Add(header{kind: kindAck, ack: 4}.appendTo(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, b := carrierPair(never, never)
		s := New(a, Config{})
		_, err := s.Write([]byte("four"))
		require.NoError(t, err)
		heard := make(chan struct{})
		go func() {
			_, _ = bytes.NewReader(raw).WriteTo(b)
			_ = b.Close()
		}()
		go func() {
			defer close(heard)
			buf := make([]byte, 100)
			for {
				if _, err := b.Read(buf); err != nil {
					return
				}
			}
		}()
		total := 0
		buf := make([]byte, 16)
		for {
			n, err := s.Read(buf)
			if total += n; err != nil {
				break
			}
		}
		require.LessOrEqual(t, total, len(raw))
		s.Break(errCut)
		s.Wait()
		<-heard
	})
}

// The ring against a plain slice.
func TestRing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, base := range []uint64{0, 1<<63 - 1000} {
		ring := ring{base: base}
		var plain []byte
		for range 20_000 {
			switch piece := pattern(r.Uint64(), r.IntN(3000)); r.IntN(3) {
			case 0:
				if len(plain)+len(piece) <= 100_000 {
					ring.append(piece)
					plain = append(plain, piece...)
				}
			case 1:
				n := r.IntN(len(plain) + 1)
				ring.drop(ring.base + uint64(n))
				plain = plain[n:]
			case 2:
				from := r.IntN(len(plain) + 1)
				got := ring.appendTo([]byte("x"), ring.base+uint64(from), len(piece))
				want := append([]byte("x"), plain[from:min(len(plain), from+len(piece))]...)
				require.True(t, bytes.Equal(want, got))
			}
			require.Equal(t, len(plain), ring.size)
			require.LessOrEqual(t, len(ring.buf), 1<<17)
		}
		ring.drop(ring.end())
		require.LessOrEqual(t, len(ring.buf), keptRing)
	}
}
