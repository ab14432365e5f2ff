package sqlsource

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// key is the value of a key column in the form in which it is sent back to the database. Its JSON includes the Go type
// of the driver's value.
type key struct{ value any }

// The names of the Go types of a driver's value.
const (
	keyText  = "text"
	keyInt   = "int"
	keyUint  = "uint"
	keyFloat = "float"
	keyBool  = "bool"
	keyBytes = "bytes"
	keyTime  = "time"
)

func newKey(value any) (*key, error) {
	k := &key{value}
	switch typ, text := k.text(); {
	case typ == "":
		return nil, fmt.Errorf("a key cannot be a %T: cast it to a text in the query", value)
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("the key %q is not UTF-8", text)
	}
	return k, nil
}

// text returns the type and the text of a key. The type is empty if the key has no text.
func (k *key) text() (typ, text string) {
	switch v := k.value.(type) {
	case string:
		return keyText, v
	case int64:
		return keyInt, strconv.FormatInt(v, 10)
	case uint64:
		return keyUint, strconv.FormatUint(v, 10)
	case float64:
		return keyFloat, strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return keyBool, strconv.FormatBool(v)
	case []byte:
		return keyBytes, base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return keyTime, v.Format(time.RFC3339Nano)
	}
	return "", ""
}

// MarshalJSON encodes a key as an object whose member has the type as its name and the text as its value.
func (k *key) MarshalJSON() ([]byte, error) {
	typ, text := k.text()
	return json.Marshal(map[string]string{typ: text})
}

// UnmarshalJSON decodes the result of MarshalJSON.
func (k *key) UnmarshalJSON(data []byte) error {
	var object map[string]string
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	if len(object) != 1 {
		return fmt.Errorf("the key has %d values; it must have one", len(object))
	}
	for typ, text := range object {
		value, err := parseKey(typ, text)
		if err != nil {
			return err
		}
		k.value = value
	}
	return nil
}

func parseKey(typ, text string) (any, error) {
	switch typ {
	case keyText:
		return text, nil
	case keyInt:
		return strconv.ParseInt(text, 10, 64)
	case keyUint:
		return strconv.ParseUint(text, 10, 64)
	case keyFloat:
		return strconv.ParseFloat(text, 64)
	case keyBool:
		return strconv.ParseBool(text)
	case keyBytes:
		return base64.StdEncoding.DecodeString(text)
	case keyTime:
		return time.Parse(time.RFC3339Nano, text)
	}
	return nil, fmt.Errorf("a key cannot be of the type %q", typ)
}
