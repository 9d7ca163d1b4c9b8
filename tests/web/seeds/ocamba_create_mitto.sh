curl -X POST \
"https://api.ocamba.com/v1/hood/integrations" \
-H "Authorization: Bearer {TOKEN}" \
-H "Content-Type: application/json" \
-d '{
"name": "Example Mitto",
"provider_id": "1004",
"settings": {
"api_key": "AScs8XXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
"sender_name": "Example Name"
},
"status": "active"
}'
