"""Made-up companies for demonstrations and benches: nothing here touches a real extract."""
