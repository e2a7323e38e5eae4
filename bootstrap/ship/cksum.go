package ship

import "fmt"

// cksumTable is of the polynomial 0x04C11DB7, most significant bit first.
var cksumTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04C11DB7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

// cksum computes what the POSIX utility cksum prints, for hosts that have nothing better. The zero value is ready.
type cksum struct {
	crc uint32
	n   int64
}

func (c *cksum) Write(p []byte) (int, error) {
	for _, b := range p {
		c.crc = c.crc<<8 ^ cksumTable[byte(c.crc>>24)^b]
	}
	c.n += int64(len(p))
	return len(p), nil
}

// String returns "CRC LENGTH" of what was written.
func (c *cksum) String() string {
	crc := c.crc
	for n := c.n; n > 0; n >>= 8 { // the length goes into the sum, least significant byte first
		crc = crc<<8 ^ cksumTable[byte(crc>>24)^byte(n)]
	}
	return fmt.Sprintf("%d %d", ^crc, c.n)
}
