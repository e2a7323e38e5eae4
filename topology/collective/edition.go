package collective

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/tartrl/tlaunch-go/actor"
	"github.com/tartrl/tlaunch-go/tensor"
)

const (
	// MaxPublished is the most bytes that the tensors of a version may have together.
	MaxPublished = 1 << 36
	// publishedChunk is the size of the pieces in which versions are compared and travel.
	publishedChunk = 128 << 10
	// tensorsApart is a multiple of what tensors begin at in a version's memory, so that their numbers can be used where they are.
	tensorsApart = 8
	// mostVersions bounds their numbers: whoever is told of a higher one would count on from there, and come to an end.
	mostVersions = 1 << 53
	// mostChunks bounds what a manifest of few bytes can have its reader make: of the largest version they are half as many.
	mostChunks = 1 << 20
	// mostTensors bounds the names that a manifest may have.
	mostTensors = 1 << 20
)

// A Version is a set of tensors as they were published. It is read only: it never changes, and all who read it on a host may share its memory.
type Version struct {
	Number  uint64 // grows with each version; numbers of versions that were replaced are left out
	Tensors map[string]tensor.Tensor
}

// A manifest says what an edition consists of. It travels before the data.
type manifest struct {
	Instance uint64 // of the publisher: a random number, for stamps of different ones do not compare
	Number   uint64
	Chunk    int
	Tensors  []entry // by name; the data lie one after the other in this order
	// Runs are the stamps of chunks: how many in a row have the same, and which. A chunk has the same stamp in two editions of a publisher
	// where it has the same bytes: it is the count of the first that had them.
	Runs []run
}

type entry struct {
	Name  string
	Type  int32
	Shape []int
}

type run struct{ Chunks, Stamp uint64 }

// An edition is a version in the memory of a member: whole, or on its way.
type edition struct {
	instance, number uint64
	tensors          []entry
	offsets          []int // of the tensors
	size, chunk      int
	stamps           []uint64 // by chunk
	encoded          []byte   // the manifest, as it travels
	blob             []byte   // nil: not made yet

	// Guarded by the publication's lock until it is whole, and then never changed.
	have    []bool // by chunk; nil: all, for it is whole
	left    int    // chunks that are not there
	whole   bool
	dropped bool // it will never be whole

	once    sync.Once
	version *Version
}

var errManifest = errors.New("collective: a manifest that makes no sense")

// newBlob makes memory for data; numbers of 64 bits may begin at multiples of 8 in it.
func newBlob(size int) []byte {
	return bytesOf(make([]int64, (size+7)/8))[:size]
}

// lay finds the places of tensors and the size of all.
func (e *edition) lay() error {
	at := 0
	e.offsets = make([]int, len(e.tensors))
	for i, t := range e.tensors {
		n := tensor.Tensor{Shape: t.Shape}.Elements()
		size := tensor.DType(t.Type).Size()
		if n < 0 || size == 0 || n > math.MaxInt32/size {
			return fmt.Errorf("%w: %q of shape %v and type %d", errManifest, t.Name, t.Shape, t.Type)
		}
		at = (at + tensorsApart - 1) / tensorsApart * tensorsApart
		e.offsets[i] = at
		if at += n * size; int64(at) > MaxPublished || at < 0 {
			return fmt.Errorf("%w: tensors of more than %d bytes", ErrTooLarge, int64(MaxPublished))
		}
	}
	e.size = at
	return nil
}

func (e *edition) count() int { return (e.size + e.chunk - 1) / e.chunk }

// has tells whether a chunk is there.
func (e *edition) has(i int) bool { return e.whole || e.have != nil && e.have[i] }

// bytes is the memory of a chunk.
func (e *edition) bytes(i int) []byte {
	return e.blob[i*e.chunk : min((i+1)*e.chunk, e.size)]
}

func (e *edition) length(i int) int { return min((i+1)*e.chunk, e.size) - i*e.chunk }

// newEdition copies tensors; the edition has no number yet. Chunks that are the same in before, which may be nil, keep their stamps; others get count.
func newEdition(instance, count uint64, chunk int, set map[string]tensor.Tensor, before *edition) (*edition, error) {
	e := &edition{instance: instance, chunk: chunk, whole: true}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		t := set[name]
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("%w: tensor %q: %w", ErrArgument, name, err)
		}
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("%w: the name %q is not UTF-8", ErrArgument, name)
		}
		e.tensors = append(e.tensors, entry{name, int32(t.Type), slices.Clone(t.Shape)})
	}
	if len(e.tensors) > mostTensors {
		return nil, fmt.Errorf("%w: %d tensors, the limit is %d", ErrTooLarge, len(e.tensors), mostTensors)
	}
	if err := e.lay(); err != nil {
		return nil, err
	}
	e.blob = newBlob(e.size)
	for i, t := range e.tensors {
		copy(e.blob[e.offsets[i]:], set[t.Name].Data)
	}
	e.stamps = make([]uint64, e.count())
	for i := range e.stamps {
		e.stamps[i] = count
		if before != nil && i < len(before.stamps) && bytes.Equal(before.bytes(i), e.bytes(i)) {
			e.stamps[i] = before.stamps[i]
		}
	}
	return e, nil
}

func (e *edition) encode() (err error) {
	m := manifest{Instance: e.instance, Number: e.number, Chunk: e.chunk, Tensors: e.tensors}
	for i := 0; i < len(e.stamps); {
		n := i
		for n < len(e.stamps) && e.stamps[n] == e.stamps[i] {
			n++
		}
		m.Runs = append(m.Runs, run{uint64(n - i), e.stamps[i]})
		i = n
	}
	e.encoded, err = actor.Encode(m)
	return err
}

// renumbered is a whole edition with another number.
func (e *edition) renumbered(number uint64) (*edition, error) {
	n := &edition{instance: e.instance, number: number, tensors: e.tensors, offsets: e.offsets, size: e.size, chunk: e.chunk, stamps: e.stamps, blob: e.blob, whole: true}
	return n, n.encode()
}

// readEdition makes an edition of a manifest, without memory for its data.
func readEdition(encoded []byte) (*edition, error) {
	var m manifest
	if err := actor.Decode(encoded, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	e := &edition{instance: m.Instance, number: m.Number, tensors: m.Tensors, chunk: m.Chunk, encoded: encoded}
	if m.Chunk < 8 || m.Chunk > windowBytes || m.Number == 0 || m.Number > mostVersions || len(m.Tensors) > mostTensors {
		return nil, fmt.Errorf("%w: version %d of %d tensors, in chunks of %d bytes", errManifest, m.Number, len(m.Tensors), m.Chunk)
	}
	for i, t := range m.Tensors {
		if i > 0 && t.Name <= m.Tensors[i-1].Name {
			return nil, fmt.Errorf("%w: %q after %q", errManifest, t.Name, m.Tensors[i-1].Name)
		}
	}
	if err := e.lay(); err != nil {
		return nil, err
	}
	if e.count() > mostChunks {
		return nil, fmt.Errorf("%w: %d chunks of %d bytes", errManifest, e.count(), e.chunk)
	}
	left := uint64(e.count())
	for _, r := range m.Runs {
		if r.Chunks > left || r.Chunks == 0 {
			return nil, fmt.Errorf("%w: stamps for more than its %d chunks", errManifest, e.count())
		}
		left -= r.Chunks
	}
	if left > 0 {
		return nil, fmt.Errorf("%w: no stamps for %d of its %d chunks", errManifest, left, e.count())
	}
	e.stamps = make([]uint64, 0, e.count())
	for _, r := range m.Runs {
		e.stamps = append(e.stamps, slices.Repeat([]uint64{r.Stamp}, int(r.Chunks))...)
	}
	e.left = e.count()
	return e, nil
}

// fill makes memory for an edition that has none, and copies into it what others, which may be nil, have of it. It returns which chunks are there.
func (e *edition) fill(others ...*edition) (blob []byte, have []bool) {
	blob, have = newBlob(e.size), make([]bool, e.count())
	for _, o := range others {
		if o == nil || o.instance != e.instance || o.chunk != e.chunk || o.blob == nil {
			continue
		}
		for i := range min(e.count(), o.count()) {
			if !have[i] && e.stamps[i] == o.stamps[i] && o.has(i) && e.length(i) == o.length(i) {
				copy(blob[i*e.chunk:], o.bytes(i))
				have[i] = true
			}
		}
	}
	return blob, have
}

// asVersion is a whole edition as readers see it.
func (e *edition) asVersion() *Version {
	e.once.Do(func() {
		e.version = &Version{Number: e.number, Tensors: make(map[string]tensor.Tensor, len(e.tensors))}
		for i, t := range e.tensors {
			shape := tensor.Tensor{Type: tensor.DType(t.Type), Shape: t.Shape}
			end := e.offsets[i] + shape.Elements()*shape.Type.Size()
			shape.Data = e.blob[e.offsets[i]:end:end]
			e.version.Tensors[t.Name] = shape
		}
	})
	return e.version
}

// missing are the chunks that are not there, as ranges: pairs of the first and how many.
func missing(have []bool) (b []byte) {
	for i := 0; i < len(have); {
		if have[i] {
			i++
			continue
		}
		n := i
		for n < len(have) && !have[n] {
			n++
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
		b = binary.LittleEndian.AppendUint32(b, uint32(n-i))
		i = n
	}
	return b
}

// chunksOf reads what missing has written, for an edition of so many chunks.
func chunksOf(b []byte, count int) ([]int, error) {
	var all []int
	next := uint64(0)
	for ; len(b) >= 8; b = b[8:] {
		first, n := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
		if first < next || first+n > uint64(count) {
			return nil, fmt.Errorf("%w: chunks %d to %d of %d", errMessage, first, first+n, count)
		}
		next = first + n
		for i := first; i < next; i++ {
			all = append(all, int(i))
		}
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: a list of chunks", errMessage)
	}
	return all, nil
}
