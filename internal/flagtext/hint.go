package flagtext

import (
	"errors"
	"flag"
	"log/slog"
	"reflect"
	"time"
)

// hinting is the value of a flag that says how it is written, where package flag says "parse error".
type hinting struct {
	flag.Value
	how string
}

func (h hinting) Set(text string) error {
	if h.Value.Set(text) != nil {
		return errors.New(h.how)
	}
	return nil
}

// IsBoolFlag says whether the flag may stand without a value.
func (h hinting) IsBoolFlag() bool {
	b, ok := h.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// hint has flags of types that package flag reads say how they are written, until the function that it returns is called.
func hint(fs *flag.FlagSet) (undo func()) {
	fs.VisitAll(func(f *flag.Flag) {
		if how := howToWrite(f.Value); how != "" {
			f.Value = hinting{f.Value, how}
		}
	})
	return func() {
		fs.VisitAll(func(f *flag.Flag) {
			if h, ok := f.Value.(hinting); ok {
				f.Value = h.Value
			}
		})
	}
}

// howToWrite is empty for a value that is not of package flag: its own errors say it.
func howToWrite(v flag.Value) string {
	g, ok := v.(flag.Getter)
	if !ok || declaredIn(reflect.TypeOf(v)) != "flag" {
		return ""
	}
	switch g.Get().(type) {
	case int, int64, uint, uint64:
		return "write a whole number, such as 10"
	case float64:
		return "write a number, such as 0.5"
	case bool:
		return "write true or false"
	case time.Duration:
		return "write a time with its unit, such as 10s or 500ms"
	case *slog.Level:
		return "choose DEBUG, INFO, WARN or ERROR"
	}
	return ""
}

// declaredIn is the path of the package of a type, or of the one that it points to.
func declaredIn(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath()
}
