// Package testmodule tests package httpapi with other software: with routers, and with a client that is generated from
// the served document. It is a module of its own, so that users of httpapi do not need that software.
package testmodule
