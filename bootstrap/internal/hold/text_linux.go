package hold

// What fmt, strings and encoding/binary would do: they are initialised behind packages of which an init needs none.

// hasPrefix says whether s begins with prefix.
func hasPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && s[:len(prefix)] == prefix
}

// cut returns what is before the first sep in s, what is behind it, and whether there is one.
func cut(s string, sep byte) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// word returns the first word of s and what follows it. Words are apart by blanks and newlines; the word is empty where there is none.
func word(s string) (first, rest string) {
	blank := func(c byte) bool { return c == ' ' || c == '\n' }
	begin := 0
	for begin < len(s) && blank(s[begin]) {
		begin++
	}
	end := begin
	for end < len(s) && !blank(s[end]) {
		end++
	}
	return s[begin:end], s[end:]
}

// appendNumber appends so many bytes of n, the most significant first.
func appendNumber(b []byte, n uint64, size int) []byte {
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

// number is what appendNumber has appended.
func number(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}
