package sqlsource

import "strings"

// Names of types that are used in several places.
const (
	typeDate      = "DATE"
	typeJSON      = "JSON"
	typeJSONB     = "JSONB"
	typeBool      = "BOOL"
	typeText      = "TEXT"
	typeVarchar   = "VARCHAR"
	typeBPChar    = "BPCHAR" // char(n) of PostgreSQL
	typeTimestamp = "TIMESTAMP"
	typeBit       = "BIT"
)

// kind is how the values of a column become JSON.
type kind int

const (
	kindValue      kind = iota // a value that its Go type determines
	kindFloat32                // a float64 that was a float32
	kindNumber                 // a text that is a number
	kindJSON                   // a text that is JSON, checked by the database
	kindMaybeJSON              // a text that may be JSON
	kindSQLiteJSON             // a text or a BLOB that may be JSON
	kindDate                   // a time.Time that is a date, or infinity
	kindBool                   // an integer that is 0 or 1
	kindBinary                 // bytes that are not a text
	kindBits                   // bytes that are an integer
	kindBitBool                // bytes that are an integer that is 0 or 1
	kindMoment                 // a time.Time, or infinity
	kindMySQLDate              // a text, which can be 0000-00-00
	kindMySQLTime              // a text, which can be 0000-00-00 00:00:00
	kindMySQLUnix              // an integer or a text: seconds since 1970; 0 stands for 0000-00-00 00:00:00
)

// conversion is how the values of a type are selected and become JSON.
type conversion struct {
	kind kind
	// call, if it is set, is the expression to select instead of the column. Each %s in it stands for the column.
	// called is the kind of the expression's values.
	call   string
	called kind
}

// conversionOf returns the conversion of a type. typeName is the driver's name of the type, and host is the type in
// Config.Types, if there is one.
func conversionOf(d Dialect, typeName string, host Type) conversion {
	var c conversion
	switch d {
	case SQLite:
		c = sqliteConversion(typeName, host)
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

// sqliteConversion returns the conversion of a declared type. Bytes are a BLOB for any type.
func sqliteConversion(typeName string, host Type) conversion {
	typeName = strings.ToUpper(typeName)
	switch {
	case typeName == typeJSON, typeName == typeJSONB, host == JSON:
		// A BLOB can be JSON in the binary encoding of SQLite, JSONB. Other values do not change.
		return conversion{
			kind:   kindBinary,
			call:   "CASE WHEN json_valid(%s, 8) THEN json(%s) ELSE %s END",
			called: kindSQLiteJSON,
		}
	case typeName == typeDate:
		return conversion{kind: kindDate}
	case typeName == typeBool, typeName == "BOOLEAN":
		return conversion{kind: kindBool}
	default:
		return conversion{kind: kindBinary}
	}
}

func postgresConversion(typeName string) conversion {
	switch typeName {
	case typeBool, "INT2", "INT4", "INT8", "FLOAT8", typeText, typeVarchar, typeBPChar, "UUID":
		return conversion{kind: kindValue}
	case typeTimestamp, "TIMESTAMPTZ":
		return conversion{kind: kindMoment}
	case "FLOAT4":
		return conversion{kind: kindFloat32}
	case "NUMERIC":
		return conversion{kind: kindNumber}
	case typeJSON, typeJSONB:
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
		// The results of a statement without parameters are texts. In texts, MySQL rounds a FLOAT to six digits, but not
		// a DOUBLE.
		return conversion{kind: kindFloat32, call: "(%s + 0E0)", called: kindFloat32}
	case typeTimestamp:
		// Results are in the time zone of the session, which a driver may not know.
		return conversion{kind: kindMySQLTime, call: "UNIX_TIMESTAMP(%s)", called: kindMySQLUnix}
	case "DATETIME":
		// A driver that returns a time.Time turns 2024-00-00 into another date.
		return conversion{kind: kindMySQLTime, call: "CAST(%s AS CHAR)", called: kindMySQLTime}
	case typeDate:
		return conversion{kind: kindMySQLDate, call: "CAST(%s AS CHAR)", called: kindMySQLDate}
	case typeBit:
		return conversion{kind: kindBits}
	case typeJSON:
		return conversion{kind: kindJSON}
	case "BINARY", "VARBINARY", "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "GEOMETRY", "VECTOR":
		return conversion{kind: kindBinary}
	default:
		return conversion{kind: kindValue}
	}
}

// ordered reports whether a column of the type can be the key to page by. It can if the database sorts values as it
// compares them. MySQL sorts ENUM and SET by the positions of their members but compares them as texts, so that rows
// would be lost.
func ordered(d Dialect, typeName string) bool {
	return d != MySQL || typeName != "ENUM" && typeName != "SET" && typeName != typeBit
}

// identifies reports whether a column of the type can be the id, because each value has exactly one text. In SQLite
// this depends on each value, and idOf checks it.
func identifies(d Dialect, typeName string) bool {
	switch d {
	case PostgreSQL:
		switch typeName {
		case "BYTEA", typeBool, "FLOAT4", "FLOAT8", typeTimestamp, "TIMESTAMPTZ", typeDate, "TIME", "TIMETZ", "INTERVAL",
			"INET", "CIDR", "MACADDR", typeJSON, typeJSONB:
			return false
		}
		return !strings.HasPrefix(typeName, "_") // an array
	case MySQL:
		switch typeName {
		case "FLOAT", "DOUBLE", typeBit:
			return false
		}
		return mysqlConversion(typeName).kind != kindBinary
	case SQLite:
	}
	return true
}
