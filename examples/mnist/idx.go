package main

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Digits are images of one size, one after the other, a byte a pixel, and what each shows.
type Digits struct {
	Rows, Cols int
	Pixels     []byte // Rows*Cols for each image
	Labels     []byte // from 0 to 9
}

// Len is the number of images.
func (d Digits) Len() int { return len(d.Labels) }

const (
	classes   = 10
	maxImages = 1 << 20
	maxSide   = 1 << 10
)

// errIDX says that a file is not what it should be.
var errIDX = errors.New("no idx file of bytes as it was expected")

// readDigits reads a pair of idx files, plain or gzipped, as they have been published: "train-images-idx3-ubyte" and
// "train-labels-idx1-ubyte" where set is "train".
func readDigits(dir, set string) (Digits, error) {
	images, sizes, err := readIDXFile(filepath.Join(dir, set+"-images-idx3-ubyte"), maxImages, maxSide, maxSide)
	if err != nil {
		return Digits{}, err
	}
	labels, counts, err := readIDXFile(filepath.Join(dir, set+"-labels-idx1-ubyte"), maxImages)
	if err != nil {
		return Digits{}, err
	}
	if sizes[0] != counts[0] || sizes[0] == 0 || sizes[1]*sizes[2] == 0 {
		return Digits{}, fmt.Errorf("%s in %s: %d images of %d by %d pixels and %d labels do not fit each other", set, dir, sizes[0], sizes[1], sizes[2], counts[0])
	}
	for i, label := range labels {
		if label >= classes {
			return Digits{}, fmt.Errorf("%s in %s: label %d is %d, not one of 0 to %d", set, dir, i, label, classes-1)
		}
	}
	return Digits{Rows: sizes[1], Cols: sizes[2], Pixels: images, Labels: labels}, nil
}

// readIDXFile reads the file of that name, or else the one with .gz behind it.
func readIDXFile(path string, limits ...int) (data []byte, sizes []int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if zipped, zipErr := os.Open(path + ".gz"); zipErr == nil {
			f, err = zipped, nil
		}
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	var plain io.Reader = r
	if magic, err := r.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b { // RFC 1952, section 2.3.1
		if plain, err = gzip.NewReader(r); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	if data, sizes, err = readIDX(plain, limits...); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return data, sizes, nil
}

// readIDX reads an array of bytes with as many dimensions as there are limits, each at most its limit, to the end of r.
// The format is that of LeCun, Cortes and Burges, "The MNIST database of handwritten digits": two zeros, the type (8: bytes), the
// number of dimensions, the size in each as four bytes, the largest first, and the data, the last dimension fastest.
func readIDX(r io.Reader, limits ...int) (data []byte, sizes []int, err error) {
	header := make([]byte, 4+4*len(limits))
	if _, err := io.ReadFull(r, header[:4]); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errIDX, err)
	}
	if want := [4]byte{0, 0, 8, byte(len(limits))}; [4]byte(header) != want {
		return nil, nil, fmt.Errorf("%w: it begins with % x, not % x", errIDX, header[:4], want)
	}
	if _, err := io.ReadFull(r, header[4:]); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errIDX, err)
	}
	total := int64(1)
	for i, limit := range limits {
		size := binary.BigEndian.Uint32(header[4+4*i:])
		if size > uint32(limit) {
			return nil, nil, fmt.Errorf("%w: %d in dimension %d, the limit is %d", errIDX, size, i+1, limit)
		}
		sizes = append(sizes, int(size))
		total *= int64(size)
	}
	// Not more memory than there are data, whatever the header says.
	data, err = io.ReadAll(io.LimitReader(r, total+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errIDX, err)
	}
	if int64(len(data)) != total {
		return nil, nil, fmt.Errorf("%w: its header promises %d bytes, and there are %s", errIDX, total, map[bool]string{true: "more", false: fmt.Sprint(len(data))}[int64(len(data)) > total])
	}
	return data, sizes, nil
}
