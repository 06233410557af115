"""The rig of the test that kills the service again and again and looks for what was lost."""
