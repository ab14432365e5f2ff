package sqlsource

import "strings"

// Types that several databases name alike.
const (
	typeDate = "DATE"
	typeJSON = "JSON"
)

// kind is how the values of a column become JSON.
type kind int

const (
	kindValue     kind = iota // as the driver's Go type says
	kindFloat32               // a float64 that was a float32
	kindNumber                // a text that is a number
	kindJSON                  // a text that is JSON: the database has checked it
	kindMaybeJSON             // a text that should be JSON
	kindDate                  // a time.Time that is a day
	kindBool                  // an integer that is 0 or 1
	kindBinary                // bytes that are no text
	kindBits                  // bytes that are an integer
	kindBitBool               // bytes that are an integer that is 0 or 1
	kindMySQLDate             // a time.Time or a text, or 0000-00-00
	kindMySQLTime             // a time.Time or a text, or 0000-00-00 00:00:00
	kindMySQLUnix             // an integer or a text: seconds since 1970; 0 stands for 0000-00-00 00:00:00
)

// conversion is how the values of a type get from the database into JSON.
type conversion struct {
	kind kind
	// call, where it is set, is what the database does with the column first, in which %s stands for the column. It gives the kind called.
	// The id and the key go without it, since they have to be what the database compares.
	call   string
	called kind
}

// conversionOf returns the conversion of a database's type, as a driver names it. The host can know more of the values than the database.
func conversionOf(d Dialect, typeName string, host Type) conversion {
	var c conversion
	switch d {
	case SQLite:
		c.kind = sqliteKind(typeName)
	case MySQL:
		c = mysqlConversion(typeName)
	case PostgreSQL:
		c = postgresConversion(typeName)
	}
	switch {
	case c.call != "":
	case host == JSON:
		c.kind = kindMaybeJSON
	case host == Boolean && c.kind == kindBits:
		c.kind = kindBitBool
	case host == Boolean:
		c.kind = kindBool
	}
	return c
}

func sqliteKind(typeName string) kind {
	switch strings.ToUpper(typeName) {
	case typeJSON:
		return kindMaybeJSON
	case typeDate:
		return kindDate
	case "BOOL", "BOOLEAN":
		return kindBool
	default:
		return kindBinary // bytes are a BLOB, whatever the column's declared type
	}
}

func postgresConversion(typeName string) conversion {
	switch typeName {
	case "BOOL", "INT2", "INT4", "INT8", "FLOAT8", "TEXT", "VARCHAR", "BPCHAR", "UUID", "TIMESTAMP", "TIMESTAMPTZ":
		return conversion{kind: kindValue}
	case "FLOAT4":
		return conversion{kind: kindFloat32}
	case "NUMERIC":
		return conversion{kind: kindNumber}
	case typeJSON, "JSONB":
		return conversion{kind: kindJSON}
	case typeDate:
		return conversion{kind: kindDate}
	case "BYTEA":
		return conversion{kind: kindBinary}
	default:
		return conversion{kind: kindValue, call: "to_json(%s)", called: kindJSON}
	}
}

func mysqlConversion(typeName string) conversion {
	switch typeName {
	case "DECIMAL", "UNSIGNED BIGINT":
		return conversion{kind: kindNumber}
	case "FLOAT":
		// Without parameters, results come as texts, for which MySQL rounds a FLOAT to six digits, but not a DOUBLE.
		return conversion{kind: kindFloat32, call: "(%s + 0E0)", called: kindFloat32}
	case "TIMESTAMP":
		// Results have it in the session's time zone, which a driver need not know.
		return conversion{kind: kindMySQLTime, call: "UNIX_TIMESTAMP(%s)", called: kindMySQLUnix}
	case "DATETIME":
		return conversion{kind: kindMySQLTime}
	case typeDate:
		return conversion{kind: kindMySQLDate}
	case "BIT":
		return conversion{kind: kindBits}
	case typeJSON:
		return conversion{kind: kindJSON}
	case "BINARY", "VARBINARY", "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "GEOMETRY", "VECTOR":
		return conversion{kind: kindBinary}
	default:
		return conversion{kind: kindValue}
	}
}

// ordered reports whether values of a type can be paged by: the database sorts them as it compares them with what a driver makes of them.
// MySQL sorts ENUM and SET by the positions of their members, but compares them with texts as texts: rows would be lost.
func ordered(d Dialect, typeName string) bool {
	return d != MySQL || typeName != "ENUM" && typeName != "SET" && typeName != "BIT"
}
