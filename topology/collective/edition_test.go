package collective

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/tensor"
)

func FuzzManifest(f *testing.F) {
	for _, set := range []map[string]tensor.Tensor{
		{}, {"a": tensor.Scalar(1.5)}, {"a": tensor.Of(make([]int16, 1000), 10, 100), "b": tensor.Of([]bool{}, 0, 7)},
	} {
		e, err := newEdition(1, 1, 64, set, nil)
		require.NoError(f, err)
		e.number = 3
		require.NoError(f, e.encode())
		f.Add(e.encoded)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := readEdition(b)
		if err != nil || e.size > 1<<24 {
			return
		}
		e.blob, e.have = e.fill(nil)
		require.Len(t, e.have, e.left)
		e.whole = true
		for name, tensor := range e.asVersion().Tensors {
			require.NoError(t, tensor.Check(), name)
		}
	})
}

func FuzzLetter(f *testing.F) {
	b := make([]byte, letterSize)
	l := letter{letterOffer, letterInstead, 1 << 20, 5, 6, 7}
	l.put(b)
	f.Add(b)
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, payload, err := readLetter(b)
		if err != nil {
			return
		}
		again := make([]byte, letterSize)
		l.put(again)
		back, _, err := readLetter(again)
		require.NoError(t, err)
		require.Equal(t, l, back)
		chunks, err := chunksOf(payload, 1000)
		if err == nil {
			have := make([]bool, 1000)
			for i := range have {
				have[i] = true
			}
			for i, c := range chunks {
				require.True(t, i == 0 || c > chunks[i-1])
				have[c] = false
			}
			same, err := chunksOf(missing(have), 1000)
			require.NoError(t, err)
			require.Equal(t, chunks, same)
		}
	})
}

// An edition made of a manifest, of what is known of others and of the chunks that are missing then is the one that was published.
func TestEditionsOfChunks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const chunk = 64
	var published *edition
	var read *edition
	body := make([]uint8, 1000)
	for count := uint64(1); count < 60; count++ {
		if r.IntN(4) == 0 {
			body = make([]uint8, r.IntN(2000))
		}
		for range r.IntN(4) {
			if len(body) > 0 {
				body[r.IntN(len(body))] = uint8(r.Uint32())
			}
		}
		set := map[string]tensor.Tensor{"body": tensor.Of(body), "after": tensor.Scalar(count / 9)}
		e, err := newEdition(7, count, chunk, set, published)
		require.NoError(t, err)
		e.number = count
		require.NoError(t, e.encode())
		if r.IntN(3) > 0 { // the reader leaves versions out
			got, err := readEdition(e.encoded)
			require.NoError(t, err)
			got.blob, got.have = got.fill(read, nil)
			todo, err := chunksOf(missing(got.have), got.count())
			require.NoError(t, err)
			for _, i := range todo {
				copy(got.bytes(i), e.bytes(i))
			}
			got.whole = true
			require.Equal(t, set, got.asVersion().Tensors)
			read = got
		}
		published = e
	}
}

func TestEditionsRefused(t *testing.T) {
	for name, set := range map[string]map[string]tensor.Tensor{
		"a short tensor": {"x": {Type: tensor.Int8, Shape: []int{3}, Data: []byte{1}}},
		"a name":         {"\xff": tensor.Scalar(true)},
	} {
		_, err := newEdition(1, 1, 64, set, nil)
		require.ErrorIs(t, err, ErrArgument, name)
	}
	e := &edition{chunk: 64}
	for range 80 {
		e.tensors = append(e.tensors, entry{Type: int32(tensor.Float64), Shape: []int{1 << 27}})
	}
	require.ErrorIs(t, e.lay(), ErrTooLarge)
}
