curl -X POST -H "Content-Type: application/json"
https://api.cxengage.net/v1/tenants/<tenantId>
/integrations/ -d '{
	"attribute": {
            "type": "<type>",
            "name": "<name>",
            "active": "true",
            "properties": {
			"":""
			"":""			
		     }
			"active":false
}'
