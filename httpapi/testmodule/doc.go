// Package testmodule has tests of package httpapi with software of others: their routers, and clients generated from
// the served document. It is a module of its own, so that users of httpapi do not need that software.
package testmodule
