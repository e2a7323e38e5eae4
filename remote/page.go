package remote

import "github.com/tartrl/tlaunch-go/internal/pool"

// Small frames stand one behind the other in pages, which are used again when the peer has acknowledged all that stands there.

const (
	firstPage = 4 << 10  // bytes of a lane's first page
	pageBytes = 64 << 10 // each further one is twice as large, up to this
)

// A page belongs to the lane that fills it, under the lock of its outbox. What was taken from it is read by the writer meanwhile.
type page struct {
	mem    *[]byte // lent; nil: left to the garbage collector
	buf    []byte  // what is filled
	refs   int     // entries that point here
	sealed bool    // nothing is added any more
}

// pageFor gives the page in which a frame of about so many bytes goes.
func (l *outlane) pageFor(need int) *page {
	if p := l.page; p != nil {
		if len(p.buf)+need <= cap(p.buf) {
			return p
		}
		p.sealed = true
		p.recycle()
	}
	l.pageSize = min(max(2*l.pageSize, firstPage), pageBytes)
	mem := pool.Get(max(l.pageSize, need))
	l.page = &page{mem: mem, buf: (*mem)[:0]}
	return l.page
}

// filled says that b is what the page holds now.
func (p *page) filled(b []byte) {
	if cap(b) != cap(p.buf) { // need was too low: whoever points to the old memory keeps it
		p.mem = nil
	}
	p.buf = b
}

// release says that an entry does not point here any more.
func (p *page) release() {
	p.refs--
	p.recycle()
}

func (p *page) recycle() {
	switch {
	case p.refs > 0:
	case !p.sealed:
		p.buf = p.buf[:0]
	case p.mem != nil:
		pool.Put(p.mem)
		p.mem, p.buf = nil, nil
	}
}

// shrink lets go of a page that nobody needs.
func (l *outlane) shrink() {
	if l.page != nil && l.page.refs == 0 {
		l.page.sealed = true
		l.page.recycle()
		l.page, l.pageSize = nil, 0
	}
}
