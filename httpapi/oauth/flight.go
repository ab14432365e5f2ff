package oauth

import (
	"context"
	"time"

	"golang.org/x/sync/singleflight"

	"productindex/httpapi/internal/recovered"
)

// flight merges concurrent calls for one key.
type flight[T any] struct {
	group   singleflight.Group
	timeout time.Duration
}

// do returns the result of call, or ctx's error as soon as ctx ends. The call itself then goes on, since others may
// wait for it. A panic in it becomes an error, because it happens outside of the goroutines that net/http and httpapi
// guard.
func (f *flight[T]) do(ctx context.Context, key string, call func(context.Context) (T, error)) (T, error) {
	outcome := f.group.DoChan(key, func() (value any, err error) {
		defer recovered.Into(&err)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.timeout)
		defer cancel()
		return call(ctx)
	})
	var none T
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case o := <-outcome:
		value, ok := o.Val.(T)
		if !ok {
			return none, o.Err
		}
		return value, o.Err
	}
}
