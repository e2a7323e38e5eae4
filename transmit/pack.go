package transmit

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
)

// mostUnpacked is how large a packed step may become: as large as a message may be.
const mostUnpacked = 64 << 20

// The options are constants: only a change to this file can make these fail.
var (
	packer = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
		if err != nil {
			panic(err)
		}
		return e
	})
	unpacker = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(mostUnpacked))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// pack is an encoded step in zstd, or as it is where that is no larger.
func pack(step []byte) []byte {
	b := packer().EncodeAll(step, nil)
	if 1+protowire.SizeBytes(len(b)) >= len(step) {
		return step
	}
	return protowire.AppendBytes(appendTag(nil, 2, protowire.BytesType), b)
}

func unpack(packed []byte) ([]byte, error) {
	b, err := unpacker().DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: zstd: %w", ErrType, err)
	}
	return b, nil
}
