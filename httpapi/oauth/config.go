package oauth

import (
	"errors"
	"fmt"
	"time"
)

// isSet returns an error if a required field of a config is not set.
func isSet(name string, ok bool) error {
	if ok {
		return nil
	}
	return errors.New(name + " is not set")
}

// isPositive returns an error if a field of a config with defaults is negative.
func isPositive[T int | time.Duration](name string, value T) error {
	if value >= 0 {
		return nil
	}
	return fmt.Errorf("%s is %v; it must be positive", name, value)
}
