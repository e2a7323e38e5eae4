package main

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadIDX(t *testing.T) {
	data, sizes, err := readIDX(bytes.NewReader(idx([]byte{1, 2, 3, 4, 5, 6}, 1, 2, 3)), 9, 9, 9)
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6}, data)
	require.Equal(t, []int{1, 2, 3}, sizes)

	good := idx([]byte{1, 2, 3}, 3)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":               {nil, "EOF"},
		"half a magic number": {good[:2], "unexpected EOF"},
		"no sizes":            {good[:6], "unexpected EOF"},
		"floats":              {append([]byte{0, 0, 0x0d, 1}, good[4:]...), "begins with 00 00 0d 01"},
		"other dimensions":    {idx(nil, 1, 1), "begins with 00 00 08 02"},
		"too large":           {idx(nil, 1<<31), "2147483648 in dimension 1, the limit is 100"},
		"short":               {good[:len(good)-1], "promises 3 bytes, and there are 2"},
		"long":                {append(good, 0), "promises 3 bytes, and there are more"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := readIDX(bytes.NewReader(c.file), 100)
			require.ErrorIs(t, err, errIDX)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestReadDigits(t *testing.T) {
	dir := t.TempDir()
	_, err := readDigits(dir, "train")
	require.ErrorIs(t, err, fs.ErrNotExist)

	writeDigits(t, dir, "train", 5)
	plain, err := readDigits(dir, "train")
	require.NoError(t, err)
	require.Equal(t, 5, plain.Len())
	require.Len(t, plain.Pixels, 5*plain.Rows*plain.Cols)

	images := filepath.Join(dir, "train-images-idx3-ubyte")
	content, err := os.ReadFile(images)
	require.NoError(t, err)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err = w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.Remove(images))
	require.NoError(t, os.WriteFile(images+".gz", b.Bytes(), 0o600))
	zipped, err := readDigits(dir, "train")
	require.NoError(t, err)
	require.Equal(t, plain, zipped)

	require.NoError(t, os.WriteFile(images+".gz", b.Bytes()[:b.Len()-9], 0o600))
	_, err = readDigits(dir, "train")
	require.ErrorIs(t, err, errIDX)
	require.NoError(t, os.Remove(images+".gz"))

	for name, c := range map[string]struct {
		images, labels []byte
		want           string
	}{
		"other counts": {idx([]byte{1, 2}, 2, 1, 1), idx([]byte{1}, 1), "do not fit each other"},
		"none":         {idx(nil, 0, 1, 1), idx(nil, 0), "do not fit each other"},
		"no pixels":    {idx(nil, 1, 0, 1), idx([]byte{1}, 1), "do not fit each other"},
		"label":        {idx([]byte{1}, 1, 1, 1), idx([]byte{10}, 1), "label 0 is 10"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(images, c.images, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "train-labels-idx1-ubyte"), c.labels, 0o600))
			_, err := readDigits(dir, "train")
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Whatever a file says, no more memory is taken than it has bytes, and nothing breaks.
func FuzzReadIDX(f *testing.F) {
	f.Add(idx([]byte{1, 2, 3, 4}, 2, 2))
	f.Add(idx(nil, 1000, 1000))
	f.Add([]byte{0, 0, 8})
	f.Fuzz(func(t *testing.T, file []byte) {
		data, sizes, err := readIDX(bytes.NewReader(file), 1000, 1000)
		if err != nil {
			require.ErrorIs(t, err, errIDX)
			return
		}
		require.Equal(t, file, idx(data, uint32(sizes[0]), uint32(sizes[1])))
	})
}
