package contract

import (
	"testing"

	"ping/internal/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
