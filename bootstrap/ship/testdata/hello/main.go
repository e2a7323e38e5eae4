// Command hello is what the tests of package ship send to hosts.
package main

import (
	"fmt"
	"runtime"
)

func main() { fmt.Println("hello from", runtime.GOOS) }
