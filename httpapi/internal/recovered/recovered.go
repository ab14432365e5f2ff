// Package recovered turns panics of a host's code into errors:
//
//	defer recovered.Into(&err)
package recovered

import (
	"fmt"
	"runtime/debug"
)

// Into recovers from a panic of the function that defers it, and sets err to an error with the panic's value and stack.
// Such an error is for the log, never for a response.
func Into(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}
