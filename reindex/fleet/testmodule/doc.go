// Package testmodule shows how a host mounts River's web page for the queue of a fleet, and tests it. It is a module of
// its own, so that a program that uses a fleet does not depend on the page.
package testmodule
