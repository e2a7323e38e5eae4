package table

const (
	pageBits = 10
	pageLen  = 1 << pageBits
)

type page[T any] [pageLen]T

// vec is an array that grows by pages. The zero vec is empty.
type vec[T any] struct {
	pages  []*page[T]
	shared []bool // by page: a snapshot has it too, so it is copied before it is changed
	n      uint32
}

// len is how many elements there are.
func (v *vec[T]) len() uint32 { return v.n }

// at is the element i, which must be there.
func (v *vec[T]) at(i uint32) T { return v.pages[i>>pageBits][i&(pageLen-1)] }

// ref is where the element i can be changed, until the next snapshot.
func (v *vec[T]) ref(i uint32) *T {
	p := i >> pageBits
	if v.shared[p] {
		own := *v.pages[p]
		v.pages[p], v.shared[p] = &own, false
	}
	return &v.pages[p][i&(pageLen-1)]
}

// push appends x.
func (v *vec[T]) push(x T) {
	if v.n>>pageBits == uint32(len(v.pages)) {
		v.pages = append(v.pages, new(page[T]))
		v.shared = append(v.shared, false)
	}
	v.n++
	*v.ref(v.n - 1) = x
}

// grow appends zeros until there are n elements.
func (v *vec[T]) grow(n uint32) {
	for v.n < n {
		var zero T
		v.push(zero)
	}
}

// pop removes the last element. One empty page is kept for the next push.
func (v *vec[T]) pop() {
	v.n--
	if used := int((v.n+pageLen-1)>>pageBits) + 1; used < len(v.pages) {
		v.pages, v.shared = v.pages[:used:used], v.shared[:used:used]
	}
}

// snapshot is the array as it is now, whatever happens to v. It is only read.
func (v *vec[T]) snapshot() vec[T] {
	for i := range v.shared {
		v.shared[i] = true
	}
	return vec[T]{pages: append([]*page[T](nil), v.pages...), n: v.n}
}
