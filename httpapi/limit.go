package httpapi

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Rate limits events: Burst events at once, and one more after each Every. The zero Rate sets no limit.
type Rate struct {
	// Every is the time after which one more event is granted.
	Every time.Duration
	// Burst is the number of events that are granted at once after a pause.
	Burst int
}

// check returns an error if the Rate is not valid.
func (r Rate) check(name string) error {
	if r != (Rate{}) && (r.Every <= 0 || r.Burst < 1) {
		return fmt.Errorf(
			"%s is %d at once and one every %v; both must be positive, or both zero for no limit",
			name,
			r.Burst,
			r.Every,
		)
	}
	return nil
}

// limitedKeys is the number of keys that limiters remember.
const limitedKeys = 1 << 14

// limiters limit the rate of each key. They remember the keys that were used last; a forgotten key begins again without
// a history.
type limiters struct {
	rate  Rate
	byKey *lru.Cache[string, *rate.Limiter]
}

// newLimiters returns nil, which sets no limit, for the zero Rate.
func newLimiters(r Rate) (*limiters, error) {
	if r == (Rate{}) {
		return nil, nil //nolint:nilnil // nil is the limiters without a limit
	}
	byKey, err := lru.New[string, *rate.Limiter](limitedKeys)
	if err != nil {
		return nil, err
	}
	return &limiters{rate: r, byKey: byKey}, nil
}

// of returns the limiter of a key.
func (l *limiters) of(key string) *rate.Limiter {
	if known, ok := l.byKey.Get(key); ok {
		return known
	}
	fresh := rate.NewLimiter(rate.Every(l.rate.Every), l.rate.Burst)
	if known, ok, _ := l.byKey.PeekOrAdd(key, fresh); ok {
		return known
	}
	return fresh
}

// take takes a grant of the key and returns zero, or returns the time until the next grant.
func (l *limiters) take(key string) time.Duration {
	if l == nil {
		return 0
	}
	now := time.Now()
	reservation := l.of(key).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// wait returns the time until the key has a grant, without taking it.
func (l *limiters) wait(key string) time.Duration {
	known, ok := l.byKey.Get(key)
	if !ok {
		return 0
	}
	missing := 1 - known.Tokens()
	return max(0, time.Duration(missing*float64(l.rate.Every)))
}

// LimitError is the error of an [Authorizer] that did not check the token, since the client has failed too often. The
// answer is 403 with [MessageTooManyFailures].
type LimitError struct {
	// RetryAfter is the time after which to try again; the response has it in seconds.
	RetryAfter time.Duration
}

// Error includes the time after which to try again.
func (e *LimitError) Error() string {
	return fmt.Sprintf("too many failed authentications; try again in %v", e.RetryAfter)
}

// LimitFailures returns an [Authorizer] that calls next, and limits how often a client may fail. Each error of next
// that matches [ErrInvalidToken] or [ErrExpiredToken] counts as a failure. While a client is over the limit, its tokens
// are not checked, and the error is a [*LimitError]. The clients of the last 16,384 addresses are remembered.
//
// clientAddress identifies clients. Nil means [RemoteAddress]. Behind a proxy that is the address of the proxy, which
// is the same for all clients, so the host must pass a function that reads the header set by its own proxy. Only the
// first 64 bits of an IPv6 address count, since a client can choose the others. Of a text that is not an IP address the
// first 64 bytes count. A client with an empty address is not limited.
func LimitFailures(next Authorizer, limit Rate, clientAddress func(*http.Request) string) (Authorizer, error) {
	if next == nil {
		return nil, errors.New("httpapi: LimitFailures needs an Authorizer")
	}
	if err := limit.check("the limit of failures"); err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	failures, err := newLimiters(limit)
	if err != nil {
		return nil, err
	}
	if failures == nil {
		return next, nil
	}
	if clientAddress == nil {
		clientAddress = RemoteAddress
	}
	return func(r *http.Request, tenant, scope string) error {
		client := clientKey(clientAddress(r))
		if client == "" {
			return next(r, tenant, scope)
		}
		if wait := failures.wait(client); wait > 0 {
			return &LimitError{RetryAfter: wait}
		}
		err := next(r, tenant, scope)
		if errors.Is(err, ErrInvalidToken) || errors.Is(err, ErrExpiredToken) {
			failures.take(client)
		}
		return err
	}, nil
}

// RemoteAddress returns the IP address that the request's connection comes from.
func RemoteAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// clientKey is the part of an address that identifies a client.
func clientKey(address string) string {
	const network, longest = 64, 64
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address[:min(len(address), longest)]
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		return netip.PrefixFrom(ip, network).Masked().String()
	}
	return ip.String()
}
