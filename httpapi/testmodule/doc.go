// Package testmodule has tests of package httpapi with what others have written: their routers, and clients that a
// generator makes of the served document. It is a module of its own so that none of that is needed by whoever needs
// httpapi.
package testmodule
