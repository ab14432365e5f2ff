// Package testmodule has the tests of package console in a real browser. It is a module of its own, so that users of
// console do not need the library that drives the browser.
package testmodule
