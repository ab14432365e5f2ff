// Package recovered makes errors of the panics of a host's code.
//
//	defer recovered.Into(&err)
package recovered

import (
	"fmt"
	"runtime/debug"
)

// Into ends a panic of the function that defers it, and sets err to an error with its value and its stack. Such an
// error is for the log, never for a response.
func Into(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}
