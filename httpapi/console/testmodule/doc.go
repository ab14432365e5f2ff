// Package testmodule has the test of package console in a real browser. It is a module of its own so that what drives
// the browser is not needed by whoever needs console.
package testmodule
