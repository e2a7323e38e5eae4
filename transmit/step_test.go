package transmit

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/tartrl/tlaunch-go/transmit/internal/table"
)

func roundTrip[T Element](t *testing.T, values ...T) {
	t.Helper()
	b, err := Step{"x": Of(values), "y": Of(values, 1, len(values), 1)}.Encode([]byte("!")[:0])
	require.NoError(t, err)
	for shift := range 9 { // however it lies in memory
		s, err := DecodeStep(append(make([]byte, shift), b...)[shift:])
		require.NoError(t, err)
		require.Equal(t, []int{1, len(values), 1}, s["y"].Shape)
		got, err := Values[T](s["x"])
		require.NoError(t, err)
		require.Equal(t, values, got)
	}
}

func TestValuesComeBack(t *testing.T) {
	roundTrip(t, true, false, true)
	roundTrip[int8](t, -128, 127)
	roundTrip[uint8](t, 0, 255)
	roundTrip[int16](t, -5, 5)
	roundTrip[uint16](t, 1, math.MaxUint16)
	roundTrip[int32](t, math.MinInt32, 7)
	roundTrip[uint32](t, 1, math.MaxUint32)
	roundTrip[int64](t, math.MinInt64, 3)
	roundTrip[uint64](t, 4, math.MaxUint64)
	roundTrip[float32](t, 1.5, float32(math.Inf(-1)))
	roundTrip(t, math.Pi, math.SmallestNonzeroFloat64)
	one, err := Values[float64](Scalar(2.5))
	require.NoError(t, err)
	require.Equal(t, []float64{2.5}, one)
	none, err := Values[float64](Of([]float64{}))
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = Values[float32](Scalar(2.5))
	require.ErrorIs(t, err, ErrType)
	_, err = Values[float32](Tensor{Type: Float32, Shape: []int{2}, Data: make([]byte, 4)})
	require.ErrorIs(t, err, ErrType)
	_, err = Values[uint8](Tensor{Type: Uint8, Shape: []int{1 << 20, 1 << 20, 1 << 30}, Data: nil})
	require.ErrorIs(t, err, ErrType)
	require.Equal(t, "bfloat16", BFloat16.String())
	require.Equal(t, "dtype 99", DType(99).String())
	require.Zero(t, DType(-1).Size())
}

// The bytes are those that other languages make of transmit.proto.
func TestMessagesAreThoseOfTheSchema(t *testing.T) {
	b, err := os.ReadFile("testdata/transmit.binpb")
	require.NoError(t, err)
	set := &descriptorpb.FileDescriptorSet{}
	require.NoError(t, proto.Unmarshal(b, set))
	files, err := protodesc.NewFiles(set)
	require.NoError(t, err)
	file, err := files.FindFileByPath("transmit.proto")
	require.NoError(t, err)
	same := func(name protoreflect.Name, ours []byte) *dynamicpb.Message {
		m := dynamicpb.NewMessage(file.Messages().ByName(name))
		require.NoError(t, proto.Unmarshal(ours, m))
		require.Empty(t, m.GetUnknown(), name)
		theirs, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		require.NoError(t, err)
		require.Equal(t, theirs, ours, name)
		return m
	}
	for d := Bool; d.Known(); d++ {
		require.Equal(t, strings.ToUpper(d.String()), string(file.Enums().ByName("DType").Values().ByNumber(protoreflect.EnumNumber(d)).Name()))
	}
	codes := file.Messages().ByName("Fault").Enums().ByName("Code").Values()
	require.Equal(t, len(faults)+1, codes.Len())

	step, err := Step{"a": Scalar(true), "b": Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3), "": Of([]int64{}, 0, 300)}.Encode(nil)
	require.NoError(t, err)
	m := same("Step", step)
	require.Equal(t, 3, m.Get(m.Descriptor().Fields().ByName("tensors")).List().Len())
	many, err := Step{"zeros": Of(make([]float64, 1000))}.Encode(nil)
	require.NoError(t, err)
	packed := pack(many)
	require.Less(t, len(packed), len(many))
	same("Step", packed)
	got, err := DecodeStep(packed)
	require.NoError(t, err)
	require.Equal(t, 1000, got["zeros"].Elements())
	require.Equal(t, step, pack(step), "what would grow stays as it is")

	session := strings.Repeat("s", sessionBytes)
	w := &writeRequest{
		session: session, number: 300, settled: 299, first: 1 << 40, steps: [][]byte{step, {}, packed},
		windows: []window{{"t", 1, 2, 0.5}, {"t", 0, 1, 0}, {strings.Repeat("long", 50), 1 << 50, 3, -1}}, forget: 9,
	}
	same("WriteRequest", w.encode(nil))
	back, err := decodeWriteRequest(w.encode(nil))
	require.NoError(t, err)
	require.Equal(t, w, back)
	wait := &writeRequest{session: session, wait: true, bye: true}
	same("WriteRequest", wait.encode(nil))
	wr := &writeReply{fault: &Fault{3, "why"}, keys: []uint64{1, 1 << 60}}
	same("WriteReply", wr.encode(nil))
	wrBack, err := decodeWriteReply(wr.encode(nil))
	require.NoError(t, err)
	require.Equal(t, wr, wrBack)
	r := &readRequest{session, 1, 2, "t", 3, 4, true}
	same("ReadRequest", r.encode(nil))
	rBack, err := decodeReadRequest(r.encode(nil))
	require.NoError(t, err)
	require.Equal(t, r, rBack)
	for _, a := range []answer{
		{id: 3, fault: &Fault{1, "why"}}, {id: 300, write: wr.encode(nil)}, {read: []byte{}}, {id: 1, changed: 7}, {id: 1},
		{id: 2, value: &valueReply{[]byte("v"), 9}}, {id: 2, value: &valueReply{}},
	} {
		same("Answer", a.encode(nil))
	}
	numbers := protowire.AppendBytes(appendTag(appendText(nil, 1, "t"), 2, protowire.BytesType), make([]byte, 16))
	numbers = protowire.AppendBytes(appendTag(numbers, 3, protowire.BytesType), make([]byte, 8))
	for number, content := range map[protowire.Number][]byte{2: w.encode(nil), 3: r.encode(nil), 4: appendFlag(numbers, 4, true), 5: valueAsk(valueTake, "n", "v")} {
		b := protowire.AppendBytes(appendTag(appendUint(nil, 1, 5), number, protowire.BytesType), content)
		same("Ask", b)
		a, err := decodeAsk(b)
		require.NoError(t, err)
		require.Equal(t, uint64(5), a.id)
	}
	rr := &readReply{samples: []table.Sample{{Key: 5, Priority: 1, Probability: 0.1, Times: 3, Size: 1000, Steps: [][]byte{step, packed}}}}
	same("ReadReply", rr.encode())
	rrBack, err := decodeReadReply(rr.encode(), 1)
	require.NoError(t, err)
	require.Equal(t, rr, rrBack)
}

func FuzzDecodeStep(f *testing.F) {
	b, err := Step{"a": Scalar(true), "b": Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)}.Encode(nil)
	require.NoError(f, err)
	f.Add(b)
	f.Add(pack(append(b, b...)))
	f.Add([]byte("\x12\x04\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeStep(b)
		if err != nil {
			require.ErrorIs(t, err, ErrType)
			return
		}
		again, err := s.Encode(nil)
		require.NoError(t, err)
		back, err := DecodeStep(again)
		require.NoError(t, err)
		require.Len(t, back, len(s))
		for name, x := range s {
			require.Equal(t, x.Type, back[name].Type)
			require.Equal(t, x.Shape, back[name].Shape)
			require.Equal(t, string(x.Data), string(back[name].Data))
		}
	})
}

// Whatever a peer says, the node answers.
func FuzzRequests(f *testing.F) {
	session := strings.Repeat("s", sessionBytes)
	step, err := number(1).Encode(nil)
	require.NoError(f, err)
	f.Add((&writeRequest{session: session, number: 1, steps: [][]byte{step}, windows: []window{{"q", 0, 1, 1}}}).encode(nil),
		(&readRequest{session: session, number: 1, table: "q", items: 1}).encode(nil))
	f.Add((&writeRequest{session: session, number: 1, first: 1 << 63, windows: []window{{"q", 1 << 63, 1 << 63, 1}}, wait: true}).encode(nil), []byte{8})
	f.Fuzz(func(t *testing.T, write, read []byte) {
		n := NewNode(Config{Tables: []Table{Queue("q", 3)}})
		require.NoError(t, n.Start(t.Context()))
		for range 3 {
			ctx, cancel := contextThatEnds(t)
			if b, err := n.Write(ctx, write); err == nil {
				_, err = decodeWriteReply(b)
				require.NoError(t, err)
			}
			if b, err := n.Read(ctx, read); err == nil {
				_, err = decodeReadReply(b, 1)
				require.NoError(t, err)
			}
			cancel()
		}
	})
}

// A tensor by itself is that of the whole step, packed or not.
func TestTensorOfAStep(t *testing.T) {
	step := Step{"x": Of(make([]float32, 1000), 10, 100), "y": Scalar(int64(7)), "": Of([]bool{true})}
	plain, err := step.Encode(nil)
	require.NoError(t, err)
	packed := pack(plain)
	require.Less(t, len(packed), len(plain))
	for _, b := range [][]byte{plain, packed} {
		it := Item{steps: [][]byte{nil, b}}
		for name, want := range step {
			got, err := it.Tensor(1, name)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err := it.Tensor(1, "z")
		require.ErrorIs(t, err, ErrType)
		_, err = it.Tensor(0, "x")
		require.ErrorIs(t, err, ErrType)
		_, err = Item{steps: [][]byte{b[:len(b)-1]}}.Tensor(0, "z")
		require.ErrorIs(t, err, ErrType)
	}
	_, err = tensorOf([]byte{1<<3 | 2, 5, 1<<3 | 2, 1, 'x', 2 << 3, 77}, "x") // of an unknown type
	require.ErrorIs(t, err, ErrType)
}
