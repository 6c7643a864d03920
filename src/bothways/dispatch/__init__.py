"""Pure real-time decision: plan, measurements and limits in, setpoints out. Called alike by studies and live sites."""
