package main

import (
	"ping/internal/testkit"
	"testing"
)

func TestMain(m *testing.M) { testkit.Main(m) }
