package identity

import (
	"testing"

	"ping/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
