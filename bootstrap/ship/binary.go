package ship

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// blob is content under its hash, compressed once for all hosts.
type blob struct {
	size   int64
	sha256 string // in hexadecimal
	open   func() io.Reader

	// What only some hosts without the content need is made for the first of them: others would pay more for this than for all else.
	zip struct {
		once sync.Once
		gz   []byte
		err  error
	}
	sum struct {
		once  sync.Once
		cksum string // what POSIX cksum prints for it on standard input
		err   error
	}
}

// newBlob hashes the content that open gives.
func newBlob(open func() io.Reader) (*blob, error) {
	b := &blob{open: open}
	sum := sha256.New()
	n, err := io.Copy(sum, open())
	if err != nil {
		return nil, err
	}
	b.size, b.sha256 = n, hex.EncodeToString(sum.Sum(nil))
	return b, nil
}

// compressed returns the content as gzip. It is made at the first call and kept. Content that is no longer what was hashed is [ErrCorrupt].
func (b *blob) compressed() ([]byte, error) {
	z := &b.zip
	z.once.Do(func() {
		var out bytes.Buffer
		zw, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err == nil {
			err = b.copyTo(zw)
		}
		if err == nil {
			err = zw.Close()
		}
		z.gz, z.err = out.Bytes(), err
	})
	return z.gz, z.err
}

// cksum returns what POSIX cksum prints for the content, in the same way.
func (b *blob) cksum() (string, error) {
	s := &b.sum
	s.once.Do(func() {
		var crc cksum
		s.err = b.copyTo(&crc)
		s.cksum = crc.String()
	})
	return s.cksum, s.err
}

// copyTo writes the content to w and looks whether it is still what was hashed.
func (b *blob) copyTo(w io.Writer) error {
	again := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, again), b.open()); err != nil {
		return err
	}
	if hex.EncodeToString(again.Sum(nil)) != b.sha256 {
		return fmt.Errorf("%w: it has changed since it was first read", ErrCorrupt)
	}
	return nil
}

// Binary is an executable file that can be sent to hosts, by several goroutines at once.
type Binary struct {
	Path   string
	Size   int64
	SHA256 string   // in hexadecimal
	GOOS   string   // system it is for
	GOARCH string   // architecture it is for
	Interp string   // program that loads it (PT_INTERP); empty: it is static or its system has none
	Libs   []string // libraries it needs; nil when there are none

	file *os.File
	blob *blob
}

// OpenBinary reads the headers of an executable and hashes it, unless an earlier one has hashed it as it is now: on Linux digests are kept in the user's cache folder (tlaunch/digests). The file stays open, so that it may be replaced meanwhile, until Close. Its errors are those of the file system and [ErrNotExecutable].
func OpenBinary(path string) (*Binary, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ship: %w", err)
	}
	b := &Binary{Path: path, file: f}
	if err := b.readHeaders(); err != nil {
		f.Close()
		return nil, err
	}
	if err := b.readBlob(ownDigests()); err != nil {
		f.Close()
		return nil, fmt.Errorf("ship: %w", err)
	}
	b.Size, b.SHA256 = b.blob.size, b.blob.sha256
	return b, nil
}

// readBlob hashes the file, where its digest is not known.
func (b *Binary) readBlob(known digests) error {
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	open := func() io.Reader { return io.NewSectionReader(b.file, 0, info.Size()) }
	b.blob = &blob{size: info.Size(), open: open}
	b.blob.sha256, err = known.sum(b.file, func() (string, error) {
		read, err := newBlob(open)
		if err != nil {
			return "", err
		}
		if read.size != info.Size() {
			return "", fmt.Errorf("%s became shorter while it was read; is it being built?", b.Path)
		}
		return read.sha256, nil
	})
	return err
}

// Close closes the file. No Put of it may be under way.
func (b *Binary) Close() error { return b.file.Close() }

// Platform is os/arch.
func (b *Binary) Platform() string { return b.GOOS + "/" + b.GOARCH }

func (b *Binary) readHeaders() error {
	magic := make([]byte, 4)
	if _, err := b.file.ReadAt(magic, 0); err != nil {
		return fmt.Errorf("%w: %s (%v)", ErrNotExecutable, b.Path, err)
	}
	var err error
	switch {
	case string(magic) == elf.ELFMAG:
		err = b.readELF()
	case string(magic[:2]) == "MZ":
		err = b.readPE()
	default:
		err = b.readMachO()
	}
	if err != nil {
		return fmt.Errorf("%w: %s (%v)", ErrNotExecutable, b.Path, err)
	}
	if b.GOARCH == "" {
		return fmt.Errorf("%w: %s is for an unknown architecture", ErrNotExecutable, b.Path)
	}
	return nil
}

func (b *Binary) readELF() error {
	f, err := elf.NewFile(b.file)
	if err != nil {
		return err
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("its type is %v", f.Type)
	}
	little := f.ByteOrder.String() == "LittleEndian"
	b.GOOS = map[elf.OSABI]string{elf.ELFOSABI_FREEBSD: "freebsd", elf.ELFOSABI_NETBSD: "netbsd", elf.ELFOSABI_OPENBSD: "openbsd"}[f.OSABI]
	if b.GOOS == "" {
		b.GOOS = "linux"
	}
	type machine struct {
		elf.Machine
		little, wide bool
	}
	b.GOARCH = map[machine]string{
		{elf.EM_X86_64, true, true}: "amd64", {elf.EM_AARCH64, true, true}: "arm64", {elf.EM_386, true, false}: "386", {elf.EM_ARM, true, false}: "arm",
		{elf.EM_RISCV, true, true}: "riscv64", {elf.EM_PPC64, true, true}: "ppc64le", {elf.EM_PPC64, false, true}: "ppc64", {elf.EM_S390, false, true}: "s390x",
		{elf.EM_LOONGARCH, true, true}: "loong64", {elf.EM_MIPS, true, true}: "mips64le", {elf.EM_MIPS, false, true}: "mips64",
	}[machine{f.Machine, little, f.Class == elf.ELFCLASS64}]
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		const longest = 4096
		interp, err := io.ReadAll(io.LimitReader(p.Open(), longest))
		if err != nil {
			return err
		}
		b.Interp = strings.TrimRight(string(interp), "\x00")
	}
	if libs, err := f.ImportedLibraries(); err == nil && len(libs) > 0 {
		b.Libs = libs
	}
	return nil
}

func (b *Binary) readMachO() error {
	f, err := macho.NewFile(b.file)
	if err != nil {
		return err
	}
	b.GOOS = "darwin"
	b.GOARCH = map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64"}[f.Cpu]
	return nil
}

func (b *Binary) readPE() error {
	f, err := pe.NewFile(b.file)
	if err != nil {
		return err
	}
	b.GOOS = "windows"
	b.GOARCH = map[uint16]string{pe.IMAGE_FILE_MACHINE_AMD64: "amd64", pe.IMAGE_FILE_MACHINE_ARM64: "arm64", pe.IMAGE_FILE_MACHINE_I386: "386"}[f.Machine]
	return nil
}
